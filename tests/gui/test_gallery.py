"""The gallery: what it shows, that it paints only what is in sight, keys, borders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from placed_case import place
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui import theme
from inspector.gui.gallery import GalleryPanel, _short
from inspector.gui.gallery_view import Cell, GalleryView
from inspector.gui.similar import most_alike
from inspector.gui.workspace import Workspace


@pytest.fixture
def poison(tmp_path: Path) -> NDArray[np.bool_]:
    return place(tmp_path / "placed.case")


@pytest.fixture
def workspace(qtbot: QtBot, tmp_path: Path, poison: NDArray[np.bool_]) -> Iterator[Workspace]:
    space = Workspace()
    assert space.open_case(tmp_path / "placed.case")
    yield space
    space.close_case()


@pytest.fixture
def panel(qtbot: QtBot, workspace: Workspace) -> GalleryPanel:
    shown = GalleryPanel(workspace)
    qtbot.addWidget(shown)
    shown.resize(800, 300)
    shown.show()
    qtbot.waitExposed(shown)
    return shown


def test_nothing_selected_shows_the_ranking_and_says_so(
    panel: GalleryPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    assert panel.rows.size == workspace.n
    assert poison[panel.rows[: poison.sum()]].all()
    assert panel._title.text().startswith("ranking")


def test_a_selection_from_the_map_is_shown_most_suspicious_first(
    panel: GalleryPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    workspace.select(poison, origin="map")
    assert workspace.table is not None
    scores = workspace.table.columns["combined"][panel.rows]
    assert set(panel.rows) == set(np.flatnonzero(poison))
    assert (np.diff(scores) <= 0).all()


def test_picking_one_sample_leaves_the_others_in_place(
    qtbot: QtBot, panel: GalleryPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    workspace.select(poison, origin="map")
    shown = panel.rows.copy()
    click(qtbot, panel, 3)
    assert workspace.selection.rows.tolist() == [shown[3]]
    assert np.array_equal(panel.rows, shown)
    click(qtbot, panel, 5, Qt.KeyboardModifier.ControlModifier)
    assert set(workspace.selection.rows) == {shown[3], shown[5]}
    click(qtbot, panel, 3, Qt.KeyboardModifier.ControlModifier)
    assert workspace.selection.rows.tolist() == [shown[5]]
    click(qtbot, panel, 2)
    click(qtbot, panel, 6, Qt.KeyboardModifier.ShiftModifier)
    assert set(workspace.selection.rows) == set(shown[2:7])
    assert workspace.current == shown[6]


def click(
    qtbot: QtBot,
    panel: GalleryPanel,
    at: int,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    view = panel.view
    spot = view.cell_rect(at).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, held, spot)


def test_arrow_keys_move_through_the_grid(
    qtbot: QtBot, panel: GalleryPanel, workspace: Workspace
) -> None:
    click(qtbot, panel, 0)
    view = panel.view
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert workspace.current == panel.rows[1]
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert workspace.current == panel.rows[1 + view.columns]
    qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert workspace.current == panel.rows[0]
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert workspace.current == panel.rows[-1]
    first, last = view.visible_places()
    assert first <= panel.rows.size - 1 < last


def test_only_cells_in_sight_are_painted(qtbot: QtBot) -> None:
    asked: list[int] = []

    def cells(rows: NDArray[np.intp]) -> list[Cell]:
        asked.append(len(rows))
        return [Cell(None, str(row)) for row in rows]

    view = GalleryView(cells)
    qtbot.addWidget(view)
    view.resize(800, 300)
    view.show()
    qtbot.waitExposed(view)
    view.set_rows(np.arange(1_000_000))
    for depth in (0, 1_000_000, 25_000_000):
        view.verticalScrollBar().setValue(depth)
        view.grab()
    assert max(asked) <= (view.columns) * (300 // 60 + 2)


def test_solid_borders_are_judged_and_dashed_ones_proposed(
    panel: GalleryPanel, workspace: Workspace
) -> None:
    assert workspace.case is not None
    assert workspace.table is not None
    order = workspace.ranked()
    workspace.tag_rows(order[:1], "poison")
    workspace.case.tags.apply(order[1:2], "suspect", source="detector spectral")
    workspace._read_tags()
    workspace.set_threshold(float(workspace.table.columns["combined"][order[2]]))
    judged, machine, proposed, other = panel._cells_of(order[:4])
    kinds = workspace.case.tags.kinds
    assert (judged.border, judged.dashed, judged.mark) == (kinds[0].colour, False, "1")
    assert (machine.border, machine.dashed, machine.mark) == (kinds[1].colour, True, "2")
    assert (proposed.border, proposed.dashed) == (theme.PROPOSED, True)
    assert other.border == ""


def test_tagging_keeps_the_place(qtbot: QtBot, panel: GalleryPanel, workspace: Workspace) -> None:
    bar = panel.view.verticalScrollBar()
    bar.setValue(700)
    shown = panel.rows.copy()
    workspace.select([shown[80]], origin="gallery")
    before = bar.value()
    assert before > 0
    workspace.tag_selection("suspect")
    assert bar.value() == before
    assert np.array_equal(panel.rows, shown)


def test_classes_can_be_stepped_through(panel: GalleryPanel, workspace: Workspace) -> None:
    assert workspace.table is not None
    labels = workspace.table.columns["label"]
    panel.step_class(1)
    assert (labels[panel.rows] == 0).all()
    panel.step_class(-1)
    assert (labels[panel.rows] == 4).all()
    assert "<b>frog</b>⟨U+202E⟩" in panel._title.text()
    assert panel.rows.size == (labels == 4).sum()


def test_similar_samples_are_the_nearest_activations(
    panel: GalleryPanel, workspace: Workspace, poison: NDArray[np.bool_]
) -> None:
    start = int(np.flatnonzero(poison)[0])
    workspace.similar_requested.emit(start)
    assert panel.source == "similar"
    assert panel.rows[0] == start
    assert poison[panel.rows[: poison.sum()]].all()


def test_most_alike_leaves_out_samples_without_activations() -> None:
    points = np.array([[0.0], [1.0], [np.nan], [3.0], [0.5]], np.float32)
    rows, distances = most_alike(points, 0)
    assert rows.tolist() == [0, 4, 1, 3]
    assert distances.tolist() == [0.0, 0.5, 1.0, 3.0]
    assert most_alike(points, 0, count=2)[0].tolist() == [0, 4]


def test_an_unreadable_sample_is_named_so(panel: GalleryPanel) -> None:
    (cell,) = panel._cells_of(np.array([5]))
    assert cell.caption == "unreadable 5"


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.99876, ".999"), (1.0, "1.00"), (-0.25, "-.250"), (125.7, "126"), (31234.0, "3e4")],
)
def test_scores_are_short(score: float, text: str) -> None:
    assert _short(score) == text
    assert _short(float("nan")) == "–"


def test_larger_thumbnails_keep_what_is_on_top(panel: GalleryPanel) -> None:
    view = panel.view
    view.verticalScrollBar().setValue(1_000)
    first = view.visible_places()[0]
    panel.grow(1.5)
    low, high = view.visible_places()
    assert low <= first < high
