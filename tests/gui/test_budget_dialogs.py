"""What holds for every question about a budget: nothing is spent before somebody agreed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from planted_case import NAMES, plant_trigger, put_array
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.agreement import Agreement
from inspector.gui.budget_dialog import BudgetDialog
from inspector.gui.cleaning_dialog import CleaningDialog
from inspector.gui.drill_dialog import DrillDialog
from inspector.gui.jobs_panel import JobsPanel
from inspector.gui.shadows_dialog import ShadowsDialog
from inspector.gui.trigger_panel import TriggerPanel
from inspector.gui.workspace import Workspace

CLEANING = {
    "start": "scratch", "why": "", "epochs": 15, "steps": 570, "seconds": 63.0, "train": 1164,
    "removed": 45, "held_out": 291,
}  # fmt: skip
DRILLS = {"drills": 3, "kept": 1, "images": 480, "epochs": 4, "seconds": 150.0}
SHADOWS = {
    "count": 19, "epochs": 15, "train": 1082, "architecture": "plain_cnn", "why": "",
    "seconds": 205.0, "left_out": 148,
}  # fmt: skip
Question = tuple[BudgetDialog, dict[str, Any], str]


@pytest.fixture(params=[CleaningDialog, DrillDialog, ShadowsDialog], ids=lambda kind: kind.__name__)
def question(qtbot: QtBot, space: Workspace, request: pytest.FixtureRequest) -> Question:
    """A question that can be asked, its budget, and words of it."""
    case = space.case
    assert case is not None
    case.set("model", {"architecture": "plain_cnn", "num_classes": len(NAMES)})
    plant_trigger(case)
    row = case.triggers()[0]
    for part, values in (
        ("mask", np.ones((28, 28), np.float32)),
        ("pattern", np.full((28, 28, 1), 9, np.uint8)),
    ):
        put_array(case, f"trigger:{part}", values)
        row[f"{part}_array"] = f"trigger:{part}"
    case.record_trigger(0, "neural-cleanse", row)
    space.tag_rows(np.arange(7), "suspect")
    dialog = request.param(space)
    qtbot.addWidget(dialog)
    dialog.show()
    budget, words = {
        CleaningDialog: (CLEANING, "about 63 s together"),
        DrillDialog: (DRILLS, "about 2 min of training"),
        ShadowsDialog: (SHADOWS, "about 3 min on top of the search"),
    }[request.param]
    return dialog, budget, words


@pytest.fixture
def answers(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What was answered; jobs are started and do nothing."""
    heard: list[bool] = []
    for act in ("start_cleaning", "start_drill", "start_trigger"):
        monkeypatch.setattr(space, act, lambda *_, **__: True)
    monkeypatch.setattr(space, "answer_budget", heard.append)
    return heard


def test_the_budget_comes_first_then_the_answer_then_the_progress(
    qtbot: QtBot, question: Question, space: Workspace, answers: list[bool]
) -> None:
    dialog, budget, words = question
    qtbot.mouseClick(dialog.measure, Qt.MouseButton.LeftButton)
    assert not dialog.measure.isVisible()
    assert not any(widget.isEnabled() for widget in dialog.fields())
    assert dialog.bar.isVisible()
    assert not dialog.go.isVisible()
    space.job_event.emit({"event": "budget", "job": dialog.JOB, "budget": budget})
    assert words in dialog.said.text()
    assert dialog.said.text().endswith(f"{dialog.GO}?")
    assert answers == []
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert answers == [True]
    assert not dialog.go.isVisible()
    told = {"event": "progress", "stage": "Some stage", "done": 1, "total": 4, "seconds_left": 12.0}
    space.job_event.emit(told)
    assert dialog.bar.value() == dialog.bar.maximum() // 4
    assert dialog.said.text() == f"Some stage … 12 s left {dialog.REST}"
    space.job_event.emit({**told, "text": "network 3 of 19"})
    assert dialog.said.text().startswith("Some stage: network 3 of 19 … 12 s left")
    space.job_event.emit({**told, "text": ["odd"]})  # An engine read hostile bytes.
    assert dialog.said.text().startswith("Some stage: ")
    space.job_event.emit({"event": "done", "job": dialog.JOB})
    assert dialog.said.text().startswith(dialog.DONE)
    assert dialog.measure.isEnabled()


def test_who_closes_the_question_has_not_agreed(
    qtbot: QtBot, question: Question, space: Workspace, answers: list[bool]
) -> None:
    dialog, budget, _ = question
    space.job_event.emit({"event": "budget", "job": dialog.JOB, "budget": budget})
    qtbot.mouseClick(dialog.close_, Qt.MouseButton.LeftButton)
    assert answers == [False]


def test_a_cancel_and_a_failure_are_told_and_it_can_be_asked_again(
    qtbot: QtBot, question: Question, space: Workspace, answers: list[bool]
) -> None:
    dialog, budget, _ = question
    for ending, words in (
        ({"event": "cancelled"}, dialog.CANCELLED),
        ({"event": "failed", "what": "No room.", "fix": "Make some."}, "No room. Make some."),
    ):
        space.job_event.emit({"event": "budget", "job": dialog.JOB, "budget": budget})
        space.job_event.emit({**ending, "job": "map"})
        assert dialog.go.isVisible()  # Another job's end is no answer.
        space.job_event.emit({**ending, "job": dialog.JOB})
        assert dialog.said.text() == words
        assert dialog.measure.isEnabled()
        assert not dialog.bar.isVisible()


def test_without_a_case_it_says_so(qtbot: QtBot, question: Question, space: Workspace) -> None:
    dialog, _, _ = question
    space.close_case()
    assert "Open a case first." in dialog.said.text()
    assert not dialog.measure.isEnabled()


def test_the_jobs_panel_says_that_an_answer_is_waited_for(qtbot: QtBot, space: Workspace) -> None:
    jobs = JobsPanel(space)
    qtbot.addWidget(jobs)
    space.job_event.emit({"event": "budget", "job": "cleaning", "budget": CLEANING})
    assert "waits for your answer" in jobs.state.text()
    assert jobs.cancel.isEnabled()


class Asks:
    """An investigation whose jobs ask in threads of their own, as the window sees it."""

    def __init__(self) -> None:
        self.running: str | None = None
        self.ends_early = False
        self.heard: list[tuple[str, bool]] = []
        self.finished = threading.Event()

    def _begin(self, job: str, agree: Any) -> None:
        def work() -> None:
            self.heard.append((job, agree(SHADOWS)))
            self.finished.wait(5)
            self.running, self.ends_early = None, False

        self.finished.clear()
        self.running, self.ends_early = job, job == "trigger"
        threading.Thread(target=work).start()

    def start_trigger(self, classes: Any, agree: Any, **settings: Any) -> None:
        self._begin("trigger", agree)

    def start_cleaning(self, plan: Any, agree: Any) -> None:
        self._begin("cleaning", agree)

    def start_drill(self, plans: Any, agree: Any) -> None:
        self._begin("drill", agree)

    def finish(self) -> bool:
        assert self.heard, "a job that nobody agreed to has nothing to keep"
        self.finished.set()
        return True

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        self.running = None


def test_while_a_question_is_open_no_other_can_be_asked_by_any_way(
    qtbot: QtBot, space: Workspace
) -> None:
    case = space.case
    assert case is not None
    case.set("model", {"architecture": "plain_cnn", "num_classes": len(NAMES)})
    plant_trigger(case)
    space.tag_rows(np.arange(7), "suspect")
    panel, dialog, drill = TriggerPanel(space), ShadowsDialog(space), DrillDialog(space)
    for widget in (panel, dialog, drill):
        qtbot.addWidget(widget)
        widget.show()
    space.investigation = asks = Asks()  # type: ignore[assignment]
    assert panel.controls.start.isEnabled()
    assert drill.measure.isEnabled()
    qtbot.mouseClick(dialog.measure, Qt.MouseButton.LeftButton)
    assert not panel.controls.start.isEnabled()
    assert "asks for its budget first" in panel.controls.start.toolTip()
    assert not panel.tools.search.isEnabled()
    assert not drill.measure.isEnabled()
    assert "asks for its budget first" in drill.said.text()
    # What menus, keys and the palette lead to refuses as well, and keeps the first question.
    said: list[str] = []
    space.message.connect(lambda level, text: said.append(text))
    assert not space.start_cleaning(None)  # type: ignore[arg-type]
    assert not space.start_drill([])
    assert not space.start_trigger([0], shadows=3)
    assert not space.start_trigger([0])
    assert len([line for line in said if "asks for its budget first" in line]) == 4
    assert not space.ends_early
    assert not space.finish_job()
    qtbot.waitUntil(lambda: dialog.phase == "asked", timeout=5000)
    assert not panel.controls.start.isEnabled()
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    assert dialog.keep.isVisible()  # Now that it was agreed to there is something to keep.
    qtbot.waitUntil(lambda: asks.heard == [("trigger", True)], timeout=5000)
    qtbot.mouseClick(dialog.keep, Qt.MouseButton.LeftButton)
    assert dialog.said.text().startswith("Stopping")
    assert not dialog.keep.isEnabled()
    qtbot.waitUntil(lambda: asks.running is None, timeout=5000)
    space.job_event.emit({"event": "done", "job": "trigger"})
    assert panel.controls.start.isEnabled()
    assert drill.measure.isEnabled()
    assert not dialog.keep.isVisible()


@pytest.mark.parametrize("act", ["agree", "cancel", "close"])
def test_the_job_waits_in_its_thread(qtbot: QtBot, space: Workspace, act: str) -> None:
    """The thread that asks goes on with the answer; a cancel or another case answers no."""
    heard: list[bool] = []
    put: list[dict[str, Any]] = []
    agreement = space._agreement = Agreement("cleaning", put.append)
    thread = threading.Thread(target=lambda: heard.append(agreement.ask(CLEANING)))
    thread.start()
    qtbot.waitUntil(lambda: bool(put), timeout=60_000)
    assert put == [{"event": "budget", "job": "cleaning", "budget": CLEANING}]
    assert heard == []
    acts = {
        "agree": lambda: space.answer_budget(True),
        "cancel": space.cancel_job,
        "close": space.close_case,
    }
    acts[act]()
    thread.join(5)
    assert heard == [act == "agree"]
