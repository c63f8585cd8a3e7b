"""Jobs, history and log: what runs, what was done, what was said."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.gui.history_panel import HistoryPanel
from inspector.gui.jobs_panel import JobsPanel, duration
from inspector.gui.log_panel import LINES, LogPanel
from inspector.gui.workspace import Workspace


@pytest.fixture
def jobs(qtbot: QtBot, space: Workspace) -> JobsPanel:
    shown = JobsPanel(space)
    qtbot.addWidget(shown)
    shown.show()
    return shown


@pytest.fixture
def history(qtbot: QtBot, space: Workspace) -> HistoryPanel:
    shown = HistoryPanel(space)
    qtbot.addWidget(shown)
    shown.resize(900, 240)
    shown.show()
    return shown


@pytest.fixture
def log(qtbot: QtBot, space: Workspace) -> LogPanel:
    shown = LogPanel(space)
    qtbot.addWidget(shown)
    return shown


def acts(panel: HistoryPanel) -> list[str]:
    model = panel.table.model_
    return [str(model.index(row, 3).data()) for row in range(model.rowCount())]


# ---- jobs ---------------------------------------------------------------------------------------


def test_progress_shows_count_rate_and_time_left(jobs: JobsPanel, space: Workspace) -> None:
    assert jobs.stack.is_empty
    space.job_event.emit({"event": "stage", "stage": "Signals", "state": "started"})
    space.job_event.emit(
        {
            "event": "progress",
            "stage": "Signals",
            "done": 31_000,
            "total": 60_000,
            "rate": 8123.4,
            "seconds_left": 200,
            "text": "cpu",
        }
    )
    row = jobs.stages["signals"]
    assert not jobs.stack.is_empty
    assert row.count.text() == "31,000 of 60,000"
    assert row.rate.text() == "8,123 / s"
    assert row.left.text() == "3 min 20 s left"
    assert row.bar.value() == 516
    assert jobs.cancel.isEnabled()


def test_done_stages_stay_until_the_next_job(jobs: JobsPanel, space: Workspace) -> None:
    space.job_event.emit({"event": "stage", "stage": "Reading evidence", "state": "done"})
    space.job_event.emit({"event": "stage", "stage": "Signals", "state": "skipped"})
    space.job_event.emit({"event": "done", "job": "scan"})
    assert [row.name.text() for row in jobs.stages.values()] == ["Reading evidence", "Signals"]
    assert jobs.stages["signals"].left.text() == "kept from before"
    assert jobs.state.text() == "Scan: done"
    assert not jobs.cancel.isEnabled()
    space.job_event.emit({"event": "stage", "stage": "Trigger", "state": "started"})
    assert [row.name.text() for row in jobs.stages.values()] == ["Trigger"]


def test_a_search_that_was_stopped_is_not_called_done(jobs: JobsPanel, space: Workspace) -> None:
    search = {"event": "progress", "stage": "Trigger search", "done": 67, "total": 100}
    space.job_event.emit(search)
    space.job_event.emit({"event": "finishing", "job": "trigger"})
    space.job_event.emit({"event": "done", "job": "trigger"})
    assert jobs.stages["trigger search"].left.text() == "stopped early"
    assert jobs.state.text() == "Trigger: stopped early, what it had is kept"
    space.job_event.emit({**search, "done": 100})
    space.job_event.emit({"event": "done", "job": "trigger"})
    assert jobs.stages["trigger search"].left.text() == "done"


class Search:
    """Stands in for an investigation with a search beside its map."""

    running: str | None = "trigger"
    ends_early = False

    def finish(self) -> bool:
        return self.ends_early

    def close(self) -> None:
        pass


@pytest.fixture
def search(space: Workspace) -> Search:
    run = Search()
    space.investigation = run  # type: ignore[assignment]
    return run


def test_a_search_that_was_stopped_is_told_apart_from_the_map_beside_it(
    jobs: JobsPanel, space: Workspace, search: Search
) -> None:
    search.ends_early = True
    space.job_event.emit({"event": "progress", "stage": "UMAP", "done": 1, "total": 3})
    space.job_event.emit({"event": "progress", "stage": "Trigger search", "done": 67, "total": 100})
    assert space.finish_job()
    search.running, search.ends_early = "map", False
    space.job_event.emit({"event": "done", "job": "trigger"})
    assert jobs.state.text() == "Map"
    assert jobs.cancel.isEnabled()
    search.running = None
    space.job_event.emit({"event": "done", "job": "map"})
    assert jobs.state.text() == "Map: done"
    left = {name: row.left.text() for name, row in jobs.stages.items()}
    assert left == {"umap": "done", "trigger search": "stopped early"}


def test_a_job_that_was_refused_ends_no_stage_of_the_one_that_runs(
    jobs: JobsPanel, space: Workspace, search: Search
) -> None:
    space.job_event.emit({"event": "progress", "stage": "Trigger search", "done": 67, "total": 100})
    space.job_event.emit({"event": "failed", "job": "stamp", "what": "A trigger is running."})
    assert jobs.stages["trigger search"].left.text() == ""
    assert jobs.state.text() == "Trigger"


def test_a_search_offers_to_keep_what_it_has_once_it_has_begun(
    jobs: JobsPanel, space: Workspace, search: Search
) -> None:
    space.job_event.emit({"event": "progress", "stage": "Hashing", "done": 1, "total": 3})
    assert not jobs.keep.isVisible()
    search.ends_early = True
    space.job_event.emit({"event": "progress", "stage": "Trigger search", "done": 1, "total": 100})
    assert jobs.keep.isVisible()
    assert jobs.keep.isEnabled()


def test_steps_within_a_stage_end_with_it(jobs: JobsPanel, space: Workspace) -> None:
    space.job_event.emit({"event": "stage", "stage": "Reading evidence", "state": "started"})
    space.job_event.emit({"event": "progress", "stage": "model", "done": 15, "total": 0})
    space.job_event.emit({"event": "progress", "stage": "reading evidence", "done": 3, "total": 3})
    assert len(jobs.stages) == 2
    space.job_event.emit({"event": "stage", "stage": "Reading evidence", "state": "done"})
    space.job_event.emit({"event": "stage", "stage": "Signals", "state": "started"})
    space.job_event.emit({"event": "failed", "job": "scan", "what": "x"})
    assert jobs.stages["model"].name.text() == "Model"
    assert jobs.stages["model"].left.text() == "done"
    assert jobs.stages["signals"].left.text() == "failed"


def test_failure_says_what_why_and_what_to_do(jobs: JobsPanel, space: Workspace) -> None:
    space.job_event.emit({"event": "stage", "stage": "Signals", "state": "started"})
    space.job_event.emit(
        {"event": "failed", "job": "scan", "what": "It stopped.", "why": "Disk.", "fix": "Free it."}
    )
    assert jobs.state.text() == "Scan: failed · It stopped. Disk. Free it."
    assert jobs.stages["signals"].left.text() == "failed"


def test_pause_and_cancel_reach_the_job(
    qtbot: QtBot, jobs: JobsPanel, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for act in ("pause_job", "resume_job", "cancel_job"):
        monkeypatch.setattr(space, act, lambda act=act: done.append(act))
    space.job_event.emit({"event": "stage", "stage": "Signals", "state": "started"})
    qtbot.mouseClick(jobs.pause, Qt.MouseButton.LeftButton)
    space.job_event.emit({"event": "paused"})
    assert jobs.pause.text() == "Resume"
    qtbot.mouseClick(jobs.pause, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(jobs.cancel, Qt.MouseButton.LeftButton)
    assert done == ["pause_job", "resume_job", "cancel_job"]


def test_an_engine_gone_mad_does_not_fill_the_panel(jobs: JobsPanel, space: Workspace) -> None:
    for at in range(500):
        space.job_event.emit({"event": "progress", "stage": f"<b>{at}</b>", "done": at, "total": 0})
    assert len(jobs.stages) <= 40
    space.job_event.emit({"event": "progress", "stage": "0", "done": "x", "total": None})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (45.4, "45 s"), (200, "3 min 20 s"), (1500, "25 min"), (7500, "2 h 5 min")],
)
def test_durations_are_said_like_a_person(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# ---- history ------------------------------------------------------------------------------------


def test_acts_are_named_newest_last(history: HistoryPanel, space: Workspace) -> None:
    space.select(np.arange(30))
    space.tag_selection("poison")
    assert acts(history)[-1].startswith("tag poison on 30 samples")
    space.undo()
    assert acts(history)[-1].startswith("undo of #")
    assert history.table.verticalScrollBar().value() == history.table.verticalScrollBar().maximum()


def test_undo_and_redo_buttons_follow_the_case(
    qtbot: QtBot, history: HistoryPanel, space: Workspace
) -> None:
    assert not history.undo.isEnabled()
    space.select([3, 4])
    space.tag_selection("suspect")
    assert "tag suspect on 2 samples" in history.undo.toolTip()
    qtbot.mouseClick(history.undo, Qt.MouseButton.LeftButton)
    assert space.case.tags.counts()["suspect"] == 0
    assert not history.undo.isEnabled()
    qtbot.mouseClick(history.redo, Qt.MouseButton.LeftButton)
    assert space.case.tags.counts()["suspect"] == 2


def test_click_shows_the_whole_entry(qtbot: QtBot, history: HistoryPanel, space: Workspace) -> None:
    space.select([3])
    space.tag_rows(np.array([3]), "clean", "<img src=x>\u202enote")
    last = history.table.model_.rowCount() - 1
    history.table.scrollToBottom()
    spot = history.table.visualRect(history.table.model_.index(last, 1)).center()
    qtbot.mouseClick(history.table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    entry = space.case.journal.entries(1)[0]
    text = history.detail.toPlainText()
    assert entry.hash in text
    assert "<img src=x>" in text
    assert "\u202e" not in text


# ---- log ----------------------------------------------------------------------------------------


def test_log_keeps_lines_and_spells_tricks_out(log: LogPanel, space: Workspace) -> None:
    space.job_event.emit(
        {"event": "log", "text": "first\nsecond \u202e<b>x</b>", "level": "warning"}
    )
    space.message.emit("error", "The disk is full.")
    lines = log.text.toPlainText().split("\n")
    assert len(lines) == 3
    assert "warning" in lines[0]
    assert lines[1].strip() == "second ⟨U+202E⟩<b>x</b>"
    assert lines[2].endswith("The disk is full.")


def test_log_forgets_the_oldest_lines(log: LogPanel) -> None:
    for at in range(LINES + 50):
        log.say("info", f"line {at}")
    lines = log.text.toPlainText().split("\n")
    assert len(lines) == LINES
    assert lines[-1].endswith(f"line {LINES + 49}")


def test_details_of_a_failure_are_in_the_log(log: LogPanel, space: Workspace) -> None:
    space.job_event.emit(
        {"event": "failed", "job": "scan", "what": "x", "detail": "Traceback\n  y"}
    )
    assert "Traceback" in log.text.toPlainText()


def test_the_map_is_not_called_done_when_a_stage_of_a_scan_begins(
    jobs: JobsPanel, space: Workspace
) -> None:
    space.job_event.emit({"event": "progress", "stage": "UMAP", "done": 0, "total": 3})
    space.job_event.emit({"event": "stage", "stage": "Hashing", "state": "started"})
    assert jobs.stages["umap"].left.text() != "done"
    assert jobs.stages["umap"].bar.value() == 0
