"""A trigger search while it runs: how far each class is, what is kept when it is stopped, the room."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from planted_case import NAMES, TARGET
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from inspector.gui.jobs_panel import JobsPanel
from inspector.gui.trigger_classes import SEARCHING, THROUGH, WORKS
from inspector.gui.trigger_panel import TriggerPanel
from inspector.gui.trigger_plots import OPEN, SCREENED, USUAL
from inspector.gui.workspace import Workspace


class Run:
    """An investigation whose search can be ended, as the window sees it."""

    def __init__(self) -> None:
        self.running: str | None = "trigger"
        self.ends_early = True
        self.finished = 0

    def finish(self) -> bool:
        self.finished += 1
        return True

    def close(self) -> None:
        self.running = None


@pytest.fixture
def space(space: Workspace) -> Workspace:
    assert space.case is not None
    space.case.set("model", {"architecture": "plain_cnn", "num_classes": len(NAMES)})
    return space


@pytest.fixture
def panel(qtbot: QtBot, space: Workspace) -> TriggerPanel:
    shown = TriggerPanel(space)
    qtbot.addWidget(shown)
    shown.resize(1020, 180)
    shown.show()
    qtbot.waitExposed(shown)
    return shown


@pytest.fixture
def begun(panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A search of every class that was started by the button."""
    run = Run()
    monkeypatch.setattr(space, "start_trigger", lambda classes, **more: True)
    panel.controls.start.click()
    space.investigation = run  # type: ignore[assignment]
    return run


def standings(*rows: tuple[int, str, bool, float | None, float | None]) -> dict[str, Any]:
    names = ("class_index", "word", "running", "success", "mask_l1")
    told = [{**dict(zip(names, row)), "steps": 40} for row in rows]
    return {"event": "preview", "name": "trigger-classes", "classes": told}


def previewed(index: int, step: int = 5) -> dict[str, Any]:
    pictures = {"mask": np.full((8, 8), 99).tolist(), "pattern": np.full((8, 8, 1), 9).tolist()}
    event = {"event": "preview", "name": "trigger", "class": index, "step": step}
    return {**event, "loss": 1.0, "success": 0.5, "mask_l1": 4.0, **pictures}


def progress(done: int, left: float, stage: str = "Trigger search") -> dict[str, Any]:
    event = {"event": "progress", "stage": stage, "done": done, "total": 100}
    return {**event, "seconds_left": left, "text": ""}


SOME = standings((0, "searching", True, 0.4, 200.0), (1, "found", True, 0.99, 100.0),
                 (TARGET, "found", False, 1.0, 10.0))  # fmt: skip


def test_bars_squares_and_words_tell_how_far_each_class_is(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    space.job_event.emit(SOME)
    space.job_event.emit(progress(40, 75))
    heights = panel.views.bars._bars.opts["height"]
    assert heights.tolist() == pytest.approx([np.log10(200), 2.0, 1.0])
    brushes = [colour.name() for colour in panel.views.bars._bars.opts["brushes"]]
    assert brushes == [SEARCHING, WORKS, THROUGH]
    assert panel.views.measure.currentText().startswith("mask size")
    assert panel.classes.item(TARGET).toolTip() == "Searched through."
    assert panel.classes.item(1).toolTip().startswith("A trigger works")
    assert panel.classes.item(4).toolTip() == "Its turn comes later."
    said = panel.controls.state.text()
    assert said == f"1 min 15 s left · 1 of {len(NAMES)} classes through · 1 more work so far"
    assert panel.controls.bar.value() == 400
    space.job_event.emit(progress(90, 3, stage="UMAP"))
    assert panel.controls.bar.value() == 400


def test_success_can_be_compared_live(panel: TriggerPanel, space: Workspace, begun: Run) -> None:
    panel.views.measure.setCurrentIndex(panel.views.measure.findData("success"))
    space.job_event.emit(SOME)
    assert panel.views.bars._bars.opts["height"].tolist() == [0.4, 0.99, 1.0]


def test_the_class_that_is_looked_at_stays(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    panel.show_class(2)
    for index in (0, 1, 2, 3):
        space.job_event.emit(previewed(index))
    assert panel.classes.chosen == 2
    assert "step 5" in panel.detail.text()


def test_standings_of_odd_shape_are_ignored(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    rows = [(99, "found"), ("1", "found"), (1, "<b>")]
    odd_rows = [[{"class_index": index, "word": word}] for index, word in rows]
    for classes in (None, "x", [7], *odd_rows):
        space.job_event.emit({"event": "preview", "name": "trigger-classes", "classes": classes})
    assert panel.course.standings == {}
    odd = {"class_index": 1, "word": "found", "running": "yes", "mask_l1": "big"}
    space.job_event.emit({"event": "preview", "name": "trigger-classes", "classes": [odd]})
    assert panel.views.bars._bars.opts["height"].tolist() == [0.0]


def test_stop_and_keep_is_not_cancel(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    space.job_event.emit(SOME)
    assert not panel.controls.start.isVisible()
    qtbot.mouseClick(panel.controls.keep, Qt.MouseButton.LeftButton)
    assert begun.finished == 1
    assert panel.controls.state.text().startswith("Stopping, keeping what works")
    assert not panel.controls.keep.isEnabled()
    assert not panel.controls.pause.isEnabled()
    assert panel.controls.cancel.isEnabled()


def test_what_was_kept_is_shown_as_stopped_early(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    said: list[tuple[str, str]] = []
    space.message.connect(lambda kind, text: said.append((kind, text)))
    space.job_event.emit(SOME)
    case = space.case
    assert case is not None
    picture = {"mask": np.full((8, 8), 255).tolist(), "pattern": np.full((8, 8, 1), 9).tolist()}
    for index in (1, TARGET):
        row = {
            "mask_l1": 10.0 * index,
            "success_rate": 0.99,
            "stopped_early": index == 1,
            **picture,
        }
        case.record_trigger(index, "neural-cleanse", row)
    case.set("trigger_summary", {"said": "The search was stopped early."})
    begun.running = None
    space.job_event.emit({"event": "done", "job": "trigger"})
    space.table_changed.emit({"triggers"})
    assert said == [("done", "The search was stopped early.")]
    brushes = [colour.name() for colour in panel.views.bars._bars.opts["brushes"]]
    assert brushes == [OPEN, USUAL]
    # Without an anomaly index there is still the size to look at.
    assert panel.views.bars._bars.opts["height"].tolist() == pytest.approx([1.0, np.log10(30)])
    panel.show_class(1)
    assert "stopped early" in panel.detail.text()
    assert panel.tools.search.isEnabled()
    assert panel.controls.start.isEnabled()
    assert panel.classes.item(1).toolTip() == ""


def test_a_class_that_was_only_compared_early_is_shown_as_that(
    panel: TriggerPanel, space: Workspace
) -> None:
    assert space.case is not None
    for index, kept in ((0, False), (TARGET, True)):
        row = {"mask_l1": 50.0, "anomaly": 0.1, "screening": {"kept": kept}}
        space.case.record_trigger(index, "neural-cleanse", row)
    space.table_changed.emit({"triggers"})
    brushes = [colour.name() for colour in panel.views.bars._bars.opts["brushes"]]
    assert brushes == [SCREENED, USUAL]
    panel.show_class(0)
    assert "mask ≤ 50.0 px" in panel.detail.text()
    assert "searched no further" in panel.detail.text()
    panel.show_class(TARGET)
    assert "mask 50.0 px" in panel.detail.text()


def test_a_search_ends_with_the_class_that_stands_out(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    assert space.case is not None
    space.case.record_trigger(TARGET, "neural-cleanse", {"significant": True, "anomaly": 5.0})
    begun.running = None
    space.job_event.emit({"event": "done", "job": "trigger"})
    space.table_changed.emit({"triggers"})
    assert panel.classes.chosen == TARGET


def test_every_class_can_be_searched_to_the_end(
    panel: TriggerPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(space, "start_trigger", lambda classes, **more: asked.append(more) or True)
    whole = panel.classes.menu(panel).actions()[-1]
    panel.controls.start.click()
    panel.course.end()
    whole.setChecked(True)
    panel._offer()
    panel.controls.start.click()
    assert asked == [{}, {"full": True}]


def test_why_nothing_was_kept_stays_to_be_read(
    panel: TriggerPanel, space: Workspace, begun: Run
) -> None:
    why = "No class had a trigger that works yet: nothing is recorded."
    begun.running = None
    space.job_event.emit({"event": "cancelled", "job": "trigger", "why": why})
    space.table_changed.emit({"findings", "triggers"})
    assert panel.controls.state.text() == why


def test_the_jobs_panel_offers_it_for_a_search_alone(qtbot: QtBot, space: Workspace) -> None:
    jobs = JobsPanel(space)
    qtbot.addWidget(jobs)
    jobs.show()
    run = Run()
    space.investigation = run  # type: ignore[assignment]
    space.job_event.emit(progress(1, 9))
    assert jobs.keep.isVisible()
    qtbot.mouseClick(jobs.keep, Qt.MouseButton.LeftButton)
    assert run.finished == 1
    assert "kept" in jobs.state.text()
    assert jobs.cancel.isEnabled()
    run.running, run.ends_early = "scan", False
    space.job_event.emit({"event": "done", "job": "trigger"})
    space.job_event.emit(progress(1, 9, stage="Signals"))
    assert not jobs.keep.isVisible()


def _inside(widget: QWidget, whole: QWidget) -> bool:
    corner = widget.mapTo(whole, QPoint(0, 0))
    return whole.rect().contains(QRect(corner, widget.size()))


@pytest.mark.parametrize(
    ("width", "height"), [(880, 150), (1020, 180), (1080, 300), (1260, 470)],
    ids=["default at 1366x768", "default at 1600x1000", "arranged at 1366", "arranged at 1600"],
)  # fmt: skip
@pytest.mark.parametrize("running", [False, True])
def test_everything_has_room(
    qtbot: QtBot, panel: TriggerPanel, space: Workspace, width: int, height: int, running: bool
) -> None:
    if running:
        space.job_event.emit(SOME)
        space.job_event.emit(progress(40, 75))
    panel.resize(width, height)
    qtbot.wait(30)
    assert (panel.width(), panel.height()) == (width, height)
    shown = [button for button in panel.findChildren(QPushButton) if button.isVisible()]
    assert all(_inside(button, panel) for button in shown)
    assert all(button.width() >= button.minimumSizeHint().width() for button in shown)
    for plot in (panel.views.bars, panel.views.curves):
        assert _inside(plot, panel)
        assert plot.height() >= 0.5 * height if height < 200 else plot.height() >= 100
        assert plot.width() >= 120
    sides = {view.width() for view in panel.views.pictures.findChildren(QWidget)}
    assert min(sides) >= 60
    words = panel.controls.state
    assert words.width() >= 200
