"""The filter box: applying, mistakes, completion, counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from placed_case import place
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.filter_bar import FilterBar
from inspector.gui.workspace import Workspace


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    place(tmp_path / "placed.case")
    space = Workspace()
    assert space.open_case(tmp_path / "placed.case")
    yield space
    space.close_case()


@pytest.fixture
def bar(qtbot: QtBot, workspace: Workspace) -> FilterBar:
    shown = FilterBar(workspace)
    qtbot.addWidget(shown)
    shown.resize(700, 40)
    shown.show()
    qtbot.waitExposed(shown)
    return shown


def test_return_applies_and_the_count_follows(
    qtbot: QtBot, bar: FilterBar, workspace: Workspace
) -> None:
    assert bar.count.text() == "1,000 of 1,000"
    qtbot.keyClicks(bar.box, "spectral > 4 and label == 'ship'")
    qtbot.keyClick(bar.box, Qt.Key.Key_Escape)  # Closes the completion, if it is open.
    bar.box.setText("spectral > 4 and label == 'ship'")
    qtbot.keyClick(bar.box, Qt.Key.Key_Return)
    assert workspace.visible is not None
    assert 0 < workspace.visible.sum() <= 20
    assert bar.count.text() == f"{workspace.visible.sum()} of 1,000"
    bar.box.clear()
    assert workspace.visible is None


def test_a_mistake_is_explained_and_the_former_filter_stays(
    bar: FilterBar, workspace: Workspace
) -> None:
    assert workspace.set_filter("index < 10")
    bar.box.setText("spectrl > 4")
    bar.box.returnPressed.emit()
    assert bar._error.isVisible()
    assert "spectral" in bar._error.text()
    assert workspace.visible is not None
    assert workspace.visible.sum() == 10
    bar.box.setText("spectral > 4")
    assert not bar._error.isVisible()


def test_columns_and_classes_are_offered(qtbot: QtBot, bar: FilterBar) -> None:
    bar.box.setFocus()
    qtbot.keyClicks(bar.box, "index < 5 and spectral_w")
    assert bar.box._completer.currentCompletion() == "spectral_whitened"
    bar.box._insert("spectral_whitened")
    assert bar.box.text() == "index < 5 and spectral_whitened"
    words = bar._words.stringList()
    assert "'ship'" in words
    assert "poison" in words


def test_typing_a_tag_key_into_the_box_types_it(
    qtbot: QtBot, bar: FilterBar, workspace: Workspace
) -> None:
    qtbot.keyClicks(bar.box, "1")
    assert bar.box.text() == "1"
    assert (workspace.tag_code < 0).all()


def test_escape_gives_up_what_is_typed_and_then_the_filter(
    qtbot: QtBot, bar: FilterBar, workspace: Workspace
) -> None:
    assert workspace.set_filter("index < 10")
    bar.box.setFocus()
    bar.box.setText("index < 3")
    qtbot.keyClick(bar.box, Qt.Key.Key_Escape)
    assert bar.box.text() == "index < 10"
    assert workspace.filter_text == "index < 10"


def test_the_example_in_the_empty_box_holds_for_samples_of_this_case(
    bar: FilterBar, workspace: Workspace
) -> None:
    example = bar.box.placeholderText().removeprefix("for example ")
    assert f"{workspace.order_column} > " in example
    assert "label == '" in example
    assert workspace.set_filter(example)
    assert workspace.visible is not None
    assert 0 < workspace.visible.sum() < 100
    workspace.close_case()
    assert "'ship'" in bar.box.placeholderText()
