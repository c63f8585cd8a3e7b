"""One sample: facts, trigger, tags and notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted_case import NAMES, TARGET, copy_planted, put_array
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from inspector.case import SampleTable
from inspector.gui.pixel_view import as_pixels, stamped
from inspector.gui.plain import plain
from inspector.gui.sample_facts import facts_of, ranked
from inspector.gui.sample_menu import point_out, pop_up_sample_menu
from inspector.gui.sample_panel import SamplePanel
from inspector.gui.seen_area import seen_area
from inspector.gui.workspace import Workspace


@pytest.fixture
def planted(qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[Workspace, np.ndarray]]:
    poison = copy_planted(tmp_path / "planted.case", triggers=True)
    space = Workspace()
    assert space.open_case(tmp_path / "planted.case")
    yield space, np.flatnonzero(poison)
    space.close_case()


@pytest.fixture
def panel(qtbot: QtBot, planted: tuple[Workspace, np.ndarray]) -> SamplePanel:
    shown = SamplePanel(planted[0])
    qtbot.addWidget(shown)
    shown.resize(300, 800)
    shown.show()
    return shown


def press(qtbot: QtBot, panel: SamplePanel, name: str) -> None:
    qtbot.mouseClick(panel.tag_buttons[name], Qt.MouseButton.LeftButton)


def test_empty_panel_leads_to_the_most_suspicious(
    qtbot: QtBot, panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, _ = planted
    assert panel._stack.is_empty
    qtbot.mouseClick(panel._stack.page.button, Qt.MouseButton.LeftButton)
    assert space.current == space.ranked()[0]
    assert not panel._stack.is_empty


def test_facts_of_a_planted_sample(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    first = int(space.ranked()[0])
    assert first in poison
    space.set_current(first)
    facts = panel.facts
    assert facts.text_of("index") == f"{first:,}"
    assert facts.text_of("file") == f"ship/{first:05d}.png"
    assert facts.text_of("label → predicted").startswith("ship → ")
    assert facts.text_of("combined").endswith("rank 1")
    assert "rank" in facts.text_of("spectral")
    assert "rank" in facts.text_of("spectral-whitened")
    assert facts.text_of("p") == "not calibrated"
    assert facts.text_of("loss").endswith("nats")
    assert "of 15 share the label" in facts.text_of("nearest 5 labels")
    assert facts.text_of("tags") == "none"


def test_unreadable_sample_says_why(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    planted[0].set_current(5)
    assert panel.facts.text_of("unreadable") == "the PNG ends after 12 bytes"
    assert panel.facts.text_of("combined") == "not assessed"


def test_trigger_of_the_class_is_laid_over_the_picture(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    predicted = space.table.columns["predicted"]
    row = next(int(r) for r in poison if predicted[r] == TARGET)
    space.set_current(row)
    assert panel._picture.has_overlay("trigger")
    assert panel._mask.image is not None
    assert panel._stamped.image is not None
    space.trigger_requested.emit(row)  # The key T.
    assert not panel._picture.has_overlay("trigger")
    said: list[str] = []
    space.message.connect(lambda _, text: said.append(text))
    panel._triggers = {}
    space.trigger_requested.emit(row)
    assert "Search for triggers…" in said[-1]


def test_key_h_shows_and_hides_where_the_score_comes_from(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    said: list[tuple[str, str]] = []
    space.message.connect(lambda kind, text: said.append((kind, text)))
    space.set_current(int(poison[0]))
    space.saliency_requested.emit(int(poison[0]))
    assert "Tick Cognitive Distillation" in said[-1][1]  # Nothing is there, and this is what to do.
    maps = np.zeros((2, 28, 28), np.uint8)
    maps[:, 24:27, 24:27] = 255
    put_array(space.case, "sample_map_rows:cd", np.sort(poison[:2]).astype(np.int32))
    put_array(space.case, "sample_maps:cd", maps)
    done = {"title": "CD", "status": "done", "verdict": "none", "pictures": "pixels that <b>count"}
    space.case.record_finding("cd", done)
    space.table_changed.emit({"finding:cd", "sample_maps:cd"})
    view = panel._picture
    assert view.has_overlay("saliency")
    assert view.accessibleName() == "pixels that <b>count (H) · 28 × 28 pixels"
    with_map = view.grab().toImage()
    space.saliency_requested.emit(int(poison[0]))  # The key H.
    assert not view.has_overlay("saliency")
    assert view.grab().toImage() != with_map
    space.set_current(int(poison[1]))
    assert not view.has_overlay("saliency")  # Hidden for the next sample, too.
    space.saliency_requested.emit(int(poison[1]))
    assert view.has_overlay("saliency")
    space.set_current(int(poison[2]))
    assert not view.has_overlay("saliency")
    space.saliency_requested.emit(int(poison[2]))
    assert "but for 2 of" in said[-1][1]


@pytest.mark.parametrize(
    ("fitting", "thumbnail", "shape", "expected"),
    [
        ({"fit": "stretch", "size": [28, 28]}, (40, 20), None, (0, 0, 1, 1)),
        # The shorter side to 256, then the middle 224 of 256 × 512.
        ({"fit": "crop", "size": [224, 224]}, (64, 32), None, (0.28125, 0.0625, 0.4375, 0.875)),
        (
            {"fit": "stretch-crop", "size": [6, 6], "side": 8},
            (9, 5),
            None,
            (0.125, 0.125, 0.75, 0.75),
        ),
        ({"fit": "none", "size": [30, 30]}, (20, 20), None, (-0.25, -0.25, 1.5, 1.5)),
        ({"fit": "none", "size": [30, 30]}, (64, 64), [60, 120, 3], (0.375, 0.25, 0.25, 0.5)),
        ({"fit": "none", "size": [30, 30]}, (64, 40), None, None),
        ({"fit": "crop", "size": "wide"}, (64, 40), None, (0, 0, 1, 1)),
        ([], (64, 40), None, (0, 0, 1, 1)),
    ],
)
def test_what_is_laid_over_a_picture_lies_where_the_network_saw_it(
    planted: tuple[Workspace, np.ndarray],
    fitting: object,
    thumbnail: tuple[int, int],
    shape: list[int] | None,
    expected: tuple[float, ...] | None,
) -> None:
    case = planted[0].case
    case.set("model", {"preprocess": fitting})
    case.set("dataset", {**case.get("dataset"), "image_shape": shape})
    found = seen_area(case, QSize(*thumbnail))
    assert (None if found is None else found.getRect()) == expected


def test_button_tags_the_selection_and_a_second_press_takes_it_back(
    qtbot: QtBot, panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    space.select(poison)
    assert f"{poison.size:,} selected" in panel._goes_to.text()
    press(qtbot, panel, "poison")
    assert space.case.tags.mask("poison").sum() == poison.size
    assert panel.tag_buttons["poison"].isChecked()
    assert "poison" in panel.facts.text_of("tags")
    press(qtbot, panel, "poison")
    assert space.case.tags.mask("poison").sum() == 0
    assert not panel.tag_buttons["poison"].isChecked()


def test_note_goes_with_the_tag(
    qtbot: QtBot, panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    space.select([poison[0]])
    panel.note.setText("white square, lower right")
    press(qtbot, panel, "suspect")
    assert "white square, lower right" in panel.facts.text_of("tags")
    assert panel.note.text() == ""


def test_note_alone_is_kept_in_the_journal(
    qtbot: QtBot, panel: SamplePanel, planted: tuple[Workspace, np.ndarray], tmp_path: Path
) -> None:
    space, poison = planted
    space.select([poison[0]])
    panel.note.setText("look again")
    qtbot.keyClick(panel.note, Qt.Key.Key_Return)
    assert panel.facts.text_of("note") == "look again"
    assert space.case.journal.entries()[-1].details["note"] == "look again"
    space.close_case()
    assert space.open_case(tmp_path / "planted.case")
    again = SamplePanel(space)
    qtbot.addWidget(again)
    space.set_current(int(poison[1]))
    space.set_current(int(poison[0]))
    assert again.facts.text_of("note") == "look again"


def test_evidence_text_is_plain_everywhere(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, _ = planted
    odd = int(np.flatnonzero(space.table.columns["label"] == len(NAMES) - 1)[0])
    space.set_current(odd)
    assert "\u202e" not in panel.facts.text_of("file")
    assert "<b>frog</b>" in panel.facts.text_of("label → predicted")
    for label in panel.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText


def test_pictures_from_the_engine_are_checked() -> None:
    assert as_pixels([[1, 2], [3, 4]]).shape == (2, 2, 1)
    assert as_pixels([[[1, 2, 300]]]).tolist() == [[[1, 2, 255]]]
    for odd in (
        "x",
        None,
        [],
        [[1], [2, 3]],
        [[float("nan")]],
        [[[[1]]]],
        [[[1, 2]]],
        [[1] * 2000],
    ):
        assert as_pixels(odd) is None


def test_stamping_replaces_where_the_mask_is_full() -> None:
    image = np.full((4, 4, 1), 10, np.uint8)
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[6:, 6:] = 255
    mask[0, 0] = 128
    mixed = stamped(image, mask, np.full((8, 8, 3), 200, np.uint8))
    assert mixed.shape == (8, 8, 3)
    assert (mixed[6:, 6:] == 200).all()
    assert mixed[0, 0, 0] == pytest.approx(105, abs=1)
    assert (mixed[1:5, 1:5] == 10).all()


def test_twins_are_named_with_their_labels(planted: tuple[Workspace, np.ndarray]) -> None:
    case = planted[0].case
    assert case is not None
    table = SampleTable(case)
    labels = table.columns["label"]
    other = int(np.flatnonzero(labels != labels[3])[0])
    group = np.full(case.n, -1, np.int32)
    group[[3, other]] = 0
    put_array(case, "artifact:duplicates:group", group)
    facts = {fact.name: fact.text for fact in facts_of(case, table, 3)}
    assert facts["same picture"].startswith(f"{other} (")
    assert "1 of 1 under another label" in facts["same picture"]
    assert "same picture" not in {fact.name for fact in facts_of(case, table, 500)}


def test_a_score_that_most_share_has_no_rank() -> None:
    scores = np.array([0.0, 0.0, 0.0, 0.0, 2.5, np.nan])
    assert ranked(scores, 0) == ("0 · as most", "4 of 5 assessed samples have it")
    assert ranked(scores, 4)[0] == "2.5 · rank 1"
    assert ranked(scores, 5)[0] == "not assessed"


def test_a_pinned_sample_stays_beside_the_next_one(
    panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    first, second = int(poison[0]), int(poison[1])
    space.set_current(first)
    space.pin_requested.emit(first)  # The key C.
    assert not panel._pinned.isVisible()  # The same picture twice would say nothing.
    space.set_current(second)
    assert panel._pinned.isVisible()
    assert panel._pinned.image == space.thumbnail(first)
    assert panel._picture.image == space.thumbnail(second)
    cells = [panel.facts.item(0, at).text() for at in range(3)]
    assert cells == ["index", f"{second:,}", f"{first:,}"]
    space.pin_requested.emit(second)
    assert not panel._pinned.isVisible()
    assert panel.facts.columnCount() == 2


def test_the_menu_tags_what_it_was_asked_on_and_copies_its_name(
    qtbot: QtBot, panel: SamplePanel, planted: tuple[Workspace, np.ndarray]
) -> None:
    space, poison = planted
    space.select(poison[:3])
    point_out(space, int(poison[1]), "gallery")  # One of the selected: the menu is for all.
    assert space.selection.count == 3
    menu = pop_up_sample_menu(panel, space, QPoint(0, 0))
    words = {act.text(): act for act in menu.actions()}
    words["Tag poison on 3 samples"].trigger()
    assert list(np.flatnonzero(space.case.tags.mask("poison"))) == sorted(poison[:3])
    other = int(np.setdiff1d(np.arange(space.n), poison)[0])
    point_out(space, other, "gallery")  # Not among them: the menu is for this one alone.
    assert list(space.selection.rows) == [other]
    menu = pop_up_sample_menu(panel, space, QPoint(0, 0))
    next(act for act in menu.actions() if act.text() == "Copy index and file").trigger()
    assert QGuiApplication.clipboard().text() == f"{other}\t{plain(space.case.locator(other))}"
