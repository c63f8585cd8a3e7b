"""The trigger lab: starts, shows the search while it runs, compares classes afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from planted_case import NAMES, TARGET, copy_planted, plant_trigger, put_array
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from inspector.gui.pixel_view import stamped
from inspector.gui.trigger_panel import CAVEAT, TriggerPanel
from inspector.gui.workspace import Workspace


@pytest.fixture
def space(qtbot: QtBot, tmp_path: Path) -> Iterator[Workspace]:
    copy_planted(tmp_path / "planted.case")
    opened = Workspace()
    assert opened.open_case(tmp_path / "planted.case")
    opened.case.set("model", {"architecture": "plain_cnn", "num_classes": len(NAMES)})
    yield opened
    opened.close_case()


@pytest.fixture
def panel(qtbot: QtBot, space: Workspace) -> TriggerPanel:
    shown = TriggerPanel(space)
    qtbot.addWidget(shown)
    shown.resize(1000, 260)
    shown.show()
    return shown


def preview(index: int, step: int, **values: Any) -> dict[str, Any]:
    mask = np.zeros((28, 28), int)
    mask[24:27, 24:27] = 255
    event = {
        "event": "preview",
        "name": "trigger",
        "class": index,
        "step": step,
        "loss": 2.0 / (1 + step),
        "success": min(1.0, step / 100),
        "mask_l1": 9.0,
        "mask": mask.tolist(),
        "pattern": np.full((28, 28, 1), 200).tolist(),
    }
    return {**event, **values}


def test_without_a_model_it_says_what_is_missing(qtbot: QtBot) -> None:
    panel = TriggerPanel(Workspace())
    qtbot.addWidget(panel)
    assert panel.stack.is_empty
    assert "analysis" in panel.stack.page.text.text()


def test_start_takes_the_ticked_classes(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    monkeypatch.setattr(space, "start_trigger", lambda classes: asked.append(list(classes)) or True)
    panel.tick_suspects()
    assert panel.classes.ticked() == [TARGET]
    panel.classes.tick([1, TARGET])
    qtbot.mouseClick(panel.controls.start, Qt.MouseButton.LeftButton)
    assert asked == [[1, TARGET]]
    assert not panel.controls.start.isEnabled()
    assert panel.controls.pause.isEnabled()
    assert panel.controls.cancel.isEnabled()


def test_no_class_no_start(panel: TriggerPanel) -> None:
    panel.classes.tick(())
    assert not panel.controls.start.isEnabled()
    panel.classes.tick(range(len(NAMES)))
    assert panel.controls.start.isEnabled()
    assert panel.classes.ticked() == list(range(len(NAMES)))


def test_preview_is_shown_live(panel: TriggerPanel, space: Workspace) -> None:
    for step in (0, 50, 100):
        space.job_event.emit(preview(2, step))
    assert panel.classes.currentItem().text() == "bird"
    assert panel.views.mask_view.image is not None
    assert panel.views.pattern_view.image is not None
    assert panel.views.stamp_view.image is not None
    x, y = panel.views.curves._success.getData()
    assert x.tolist() == [0, 50, 100]
    assert y.tolist() == [0, 0.5, 1.0]
    assert "step 100" in panel.detail.text()
    assert "success 100.0%" in panel.detail.text()
    corner = panel.views.stamp_view.image.pixelColor(25, 25)
    assert (corner.red(), corner.green(), corner.blue()) == (200, 200, 200)


def test_plots_say_what_they_wait_for(panel: TriggerPanel, space: Workspace) -> None:
    curves = panel.views.curves

    def words() -> list[str]:
        return [label.text() for label in curves.findChildren(QLabel) if label.isVisible()]

    assert words() == ["the course of a search: loss and success"]
    assert not curves.plotItem.getAxis("right").isVisible()
    space.job_event.emit({"event": "progress", "stage": "Trigger search", "done": 0, "total": 9})
    for step in (1, 2):
        space.job_event.emit(preview(0, step))
    assert words() == []
    assert curves.plotItem.getAxis("right").isVisible()


def test_curves_of_classes_are_kept_apart(panel: TriggerPanel, space: Workspace) -> None:
    for step in (0, 50, 100):
        space.job_event.emit(preview(1, step))
        space.job_event.emit(preview(2, step))
    panel.show_class(1)
    assert panel.views.curves._success.getData()[0].size == 3


def test_odd_previews_are_ignored(panel: TriggerPanel, space: Workspace) -> None:
    space.job_event.emit(preview(99, 1))
    space.job_event.emit(preview("x", 1))
    space.job_event.emit(preview(1, 1, mask="evil", pattern=[[1], [1, 2]], loss="x", success=None))
    assert panel.views.mask_view.image is None
    space.job_event.emit({"event": "preview", "name": "trigger"})


def test_pause_and_stop_reach_the_job(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[str] = []
    for act in ("pause_job", "resume_job", "cancel_job"):
        monkeypatch.setattr(space, act, lambda act=act: acts.append(act))
    space.job_event.emit(preview(1, 1))
    qtbot.mouseClick(panel.controls.pause, Qt.MouseButton.LeftButton)
    space.job_event.emit({"event": "paused"})
    assert panel.controls.pause.text() == "Resume"
    qtbot.mouseClick(panel.controls.pause, Qt.MouseButton.LeftButton)
    space.job_event.emit({"event": "resumed"})
    qtbot.mouseClick(panel.controls.cancel, Qt.MouseButton.LeftButton)
    assert acts == ["pause_job", "resume_job", "cancel_job"]
    space.job_event.emit({"event": "cancelled", "job": "trigger"})
    assert panel.controls.start.isEnabled()
    assert not panel.controls.cancel.isEnabled()
    assert "not searched again" in panel.controls.state.text()


def test_failure_is_told_in_place(panel: TriggerPanel, space: Workspace) -> None:
    space.job_event.emit(preview(1, 1))
    space.job_event.emit({"event": "failed", "job": "trigger", "what": "The engine stopped."})
    assert panel.controls.state.text() == "The engine stopped."
    assert panel.controls.start.isEnabled()


def test_recorded_triggers_are_compared(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace
) -> None:
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    heights = panel.views.bars._bars.opts["height"]
    assert int(np.argmax(heights)) == TARGET
    assert panel.views.bars._line.isVisible()
    assert panel.views.bars._line.value() == pytest.approx(3.2)
    panel.views.bars.clicked.emit(TARGET)
    assert panel.classes.currentRow() == TARGET
    assert "success 99.8% (97%–100%)" in panel.detail.text()
    assert "threshold 3.2" in panel.detail.text()
    assert panel.views.curves._success.getData()[0].size == 40
    panel.views.measure.setCurrentIndex(1)
    panel.views.measure.activated.emit(1)
    assert int(np.argmin(panel.views.bars._bars.opts["height"])) == TARGET
    assert not panel.views.bars._line.isVisible()


def test_caveat_does_not_acquit() -> None:
    assert "no proof of absence" in CAVEAT


def test_the_chosen_search_is_asked_for_and_its_results_are_shown(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(space, "start_trigger", lambda classes, **more: asked.append(more) or True)
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    assert panel.views.bars._bars.opts["height"].size == len(NAMES)
    panel.controls.method.choose("blended")
    panel.controls.method.activated.emit(panel.controls.method.currentIndex())
    assert panel.views.bars._bars.opts["height"].size == 0
    qtbot.mouseClick(panel.controls.start, Qt.MouseButton.LeftButton)
    assert asked == [{"methods": ["blended"]}]


def test_a_case_opens_with_the_search_that_found_most(qtbot: QtBot, space: Workspace) -> None:
    plant_trigger(space.case)
    space.case.record_trigger(TARGET, "white", {"mask_l1": 1.0, "significant": False})
    shown = TriggerPanel(space)
    qtbot.addWidget(shown)
    assert shown.controls.method.name == "neural-cleanse"
    assert shown.controls.method.findData("white") >= 0


def test_the_overlay_goes_on_the_current_sample(panel: TriggerPanel, space: Workspace) -> None:
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    panel.show_class(TARGET)
    space.select([17], "new", "keys", 17)
    assert "17" in panel.views.stamp_view.accessibleName()
    before = space.thumbnail(17).pixelColor(2, 2)
    assert panel.views.stamp_view.image.pixelColor(2, 2) == before
    assert panel.views.stamp_view.image.pixelColor(25, 25).red() == 255


def test_a_transformation_is_shown_by_its_mean_change_and_an_example(
    panel: TriggerPanel, space: Workspace
) -> None:
    case, stem = space.case, f"trigger:{TARGET}-feature-space"
    examples = np.zeros((2, 3, 28, 28, 1), np.uint8)
    examples[1, 0] = 200
    put_array(case, f"{stem}:mask", np.full((28, 28), 0.1, np.float32))
    put_array(case, f"{stem}:pattern", np.full((28, 28, 1), 140, np.uint8))
    put_array(case, f"{stem}:examples", examples)
    put_array(case, f"{stem}:bend", np.zeros((2, 4, 4), np.float32))
    row = {f"{part}_array": f"{stem}:{part}" for part in ("mask", "pattern", "examples", "bend")}
    more = {"mask_l1": 78.4, "retained": {"rate": 0.93, "interval": [0.9, 0.95]}}
    case.record_trigger(TARGET, "feature-space", {**row, **more})
    space.table_changed.emit({"triggers"})
    panel.controls.method.choose("feature-space")
    panel.controls.method.activated.emit(0)
    panel.show_class(TARGET)
    views = panel.views
    assert "10%" in views.mask_view.accessibleName()
    assert views.mask_view.image.pixelColor(3, 3).red() == 255  # stretched: a tenth is hard to see
    assert views.stamp_view.accessibleName() == "before · after"
    shown = views.stamp_view.image
    assert (shown.width(), shown.height()) == (57, 28)
    assert shown.pixelColor(5, 5).red() == 0
    assert shown.pixelColor(50, 5).red() == 200
    assert "change 78.4 px" in panel.detail.text()
    assert "still known 93%" in panel.detail.text()
    plant_trigger(case)
    panel.controls.method.choose("neural-cleanse")
    panel.controls.method.activated.emit(0)
    assert views.mask_view.accessibleName() == "mask"
    space.select([17], "new", "keys", 17)
    assert "17" in views.stamp_view.accessibleName()


def test_carriers_are_searched_for_told_and_tagged_in_one_act(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(space, "start_carriers", lambda name: asked.append(name) or True)
    tools = panel.tools
    assert not tools.search.isEnabled()
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    panel.show_class(TARGET)
    qtbot.mouseClick(tools.search, Qt.MouseButton.LeftButton)
    assert asked == [f"{TARGET}:neural-cleanse"]
    assert not tools.tag.isEnabled()
    carriers = np.zeros(space.case.n, bool)
    carriers[[3, 7, 11]] = True
    put_array(space.case, "trigger-search:carriers", carriers)
    space.case.record_finding(
        "trigger-search",
        {
            "title": "Carriers",
            "verdict": "medium",
            "carriers": 3,
            "parameters": {"trigger": asked[0], "threshold": 0.5},
        },
    )
    space.table_changed.emit({"finding:trigger-search"})
    assert tools.said.text().startswith("3 samples carry")
    qtbot.mouseClick(tools.tag, Qt.MouseButton.LeftButton)
    assert np.flatnonzero(space.case.tags.mask("suspect")).tolist() == [3, 7, 11]
    (reason,) = space.case.tags.reasons([3])[3]
    assert reason.source == f"trigger search {asked[0]}"
    assert space.undo()
    assert not space.case.tags.mask("suspect").any()


def test_answers_before_and_after_are_put_into_words(panel: TriggerPanel, space: Workspace) -> None:
    row = {
        "index": 17,
        "before": [1, 0.98],
        "after": [TARGET, 0.99],
        "belief": [0.01, 0.99],
        "without": 0.01,
        "transplant": 0.0,
    }
    space.job_event.emit({"event": "stamped", "rows": [row]})
    said = panel.tools.said.text()
    assert "car 98% → with trigger ship 99%" in said
    assert "pasted elsewhere" in said
    space.job_event.emit({"event": "stamped", "rows": [{"before": "x", "after": [99, 1]}]})
    assert "?" in panel.tools.said.text()


def test_mask_pattern_and_stamped_sample_are_saved(
    panel: TriggerPanel, space: Workspace, tmp_path: Path
) -> None:
    plant_trigger(space.case)
    space.table_changed.emit({"triggers"})
    panel.show_class(TARGET)
    written = panel.tools.save_to(tmp_path / "ship.png")
    assert [path.name for path in written] == [
        "ship-mask.png",
        "ship-pattern.png",
        "ship-stamped.png",
    ]
    mask = np.asarray(Image.open(written[0]).convert("L"))
    assert mask.shape == (28, 28)
    assert set(np.unique(mask)) == {0, 255}


def test_an_added_trigger_is_added(panel: TriggerPanel) -> None:
    image = np.full((4, 4, 1), 250, np.uint8)
    mask, pattern = np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 1), np.uint8)
    delta = np.full((4, 4, 1), 20, np.int16)
    delta[0] = -30
    mixed = stamped(image, mask, pattern, delta)
    assert mixed[0, 0, 0] == 220
    assert mixed[3, 3, 0] == 255


def test_plugins_are_listed_when_asked_for_and_a_broken_one_says_why(qtbot: QtBot) -> None:
    from inspector.gui.trigger_methods import MethodBox

    info = {"title": "My search", "summary": "Looks hard."}
    rows = [
        {"id": "mine", "info": info, "origin": "plugin folder", "status": "ready", "cause": ""},
        {
            "id": "bad",
            "info": None,
            "origin": "plugin folder",
            "status": "broken",
            "cause": "Oops.",
        },
    ]
    box = MethodBox(ask=lambda: rows)
    qtbot.addWidget(box)
    box.choose("pixel")
    box.setCurrentIndex(box.findData(""))
    box.activated.emit(box.findData(""))
    assert box.name == "pixel"
    qtbot.waitUntil(lambda: box.findData("mine") >= 0, timeout=60_000)
    assert box.name == "pixel"
    box.choose("mine")
    assert (box.name, box.currentText()) == ("mine", "My search")
    broken = box.findData("broken:bad")
    assert box.itemData(broken, Qt.ItemDataRole.ToolTipRole) == "Oops."
    assert not box.model().flags(box.model().index(broken, 0)) & Qt.ItemFlag.ItemIsEnabled
