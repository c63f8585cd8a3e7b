"""What runs: one bar per stage with rate and time left, and buttons to pause and cancel."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from inspector.engine.client.retold import how_far, is_share
from inspector.gui.elided_label import ElidedLabel
from inspector.gui.empty_page import EmptyOr
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

STEPS = 1000
STAGES_KEPT = 40
_ENDINGS = {"done": "done", "failed": "failed", "cancelled": "cancelled"}


BESIDE = ("umap",)
"""Stages of the map, in lower case: it has an engine of its own and goes on beside a scan's."""


class JobsPanel(QWidget):
    """Follows the events of the running job; finished stages stay until the next job begins."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._over = True
        self._stopping: str | None = None  # the job that was asked to conclude
        self._paused = False
        self.stages: dict[str, StageRow] = {}
        self.state = QLabel(self)
        self.state.setTextFormat(Qt.TextFormat.PlainText)
        self.state.setWordWrap(True)
        self.pause = QPushButton("Pause", self)
        self.cancel = QPushButton("Cancel", self)
        self.keep = QPushButton("Stop and keep", self)
        self.keep.setToolTip("End the search now; what was found so far is kept")
        self.keep.hide()
        self.cancel.setToolTip("Stop after the present chunk; what is finished stays in the case")
        self.stack = EmptyOr(self, self._build())
        self.pause.clicked.connect(self._on_pause)
        self.keep.clicked.connect(lambda _=False: workspace.finish_job())
        self.cancel.clicked.connect(self._on_cancel)
        workspace.job_event.connect(self._on_event)
        workspace.case_changed.connect(self._on_case)
        self._on_case()

    def _build(self) -> QWidget:
        top = QHBoxLayout()
        top.addWidget(self.state, 1)
        top.addWidget(self.pause)
        top.addWidget(self.keep)
        top.addWidget(self.cancel)
        rows = QWidget(self)
        self._grid = QGridLayout(rows)
        self._grid.setContentsMargins(0, 4, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 3)
        self._grid.setColumnStretch(5, 2)
        self._grid.setRowStretch(STAGES_KEPT + 1, 1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(rows)
        holder = QWidget(self)
        column = QVBoxLayout(holder)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(area, 1)
        return holder

    # ---- events ---------------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._forget()
        self._over = True
        self.stack.show_empty(
            "Nothing runs",
            "An analysis, a map or a trigger search shows its stages here, with the time left.",
        )

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind in _ENDINGS:
            self._end(event)
        elif kind in ("stage", "progress"):
            self._begin()
            row = self._row(str(event.get("stage", "")))
            if kind == "progress":
                row.progress(event)
            else:
                row.enter(str(event.get("state", "")))
                self._close_steps(row)
            # A search has nothing to keep before its evidence is checked and its budget agreed to.
            self.keep.setVisible(self._workspace.ends_early)
        elif kind == "finishing":
            self._stopping = str(event.get("job") or self._workspace.running)
            self._say(f"{self._job()}: stopping, what was found so far is kept …")
            self.keep.setEnabled(False)
            self.pause.setEnabled(False)
        elif kind == "budget":
            self._begin()
            self._say(f"{self._job()}: waits for your answer to what it would take")
        elif kind in ("paused", "resumed"):
            self._paused = kind == "paused"
            self._say(f"{self._job()}: paused" if self._paused else self._job())

    def _begin(self) -> None:
        if self._over:
            self._forget()
            self._over = False
            self._paused, self._stopping = False, None
            self._say(self._job())
        self.stack.show_content()

    def _job(self) -> str:
        return plain(self._workspace.running or "job", 40).capitalize()

    def _say(self, text: str) -> None:
        self.state.setText(text)
        running = not self._over
        self.pause.setEnabled(running)
        self.cancel.setEnabled(running)
        self.keep.setVisible(running and self._workspace.ends_early)
        self.keep.setEnabled(running)
        self.pause.setText("Resume" if self._paused else "Pause")

    def _end(self, event: dict[str, Any]) -> None:
        ended, how = str(event.get("job", "job")), str(event["event"])
        early = how == "done" and ended == self._stopping
        # A scan leaves its map running, and a map may end beside a scan that goes on.
        running = self._workspace.running
        goes_on = running not in (None, ended)
        for key, row in self.stages.items():
            of_map = key in BESIDE
            if of_map == (ended == "map") and (of_map or running in (None, ended, "map")):
                row.end("stopped early" if early else how)
            elif of_map and not goes_on:
                row.end(how)  # It was made ready for a map that does not come.
        if ended == self._stopping:
            self._stopping = None
        if goes_on:
            self._say(self._job())
            return
        self._over, self._paused = True, False
        job = plain(ended, 40).capitalize()
        parts = [plain(event.get(name, ""), 300) for name in ("what", "why", "fix")]
        cause = " ".join(part for part in parts if part)
        said = "stopped early, what it had is kept" if early else _ENDINGS[how]
        text = f"{job}: {said}"
        self._say(f"{text} · {cause}" if cause else text)
        self.stack.show_content()

    def _close_steps(self, present: StageRow) -> None:
        """Call steps within a stage done, now that a stage began or ended: they do not say so."""
        for key, row in self.stages.items():
            if row is not present and not row.is_stage and key not in BESIDE:
                row.end("done")

    def _row(self, stage: str) -> StageRow:
        key = stage.casefold()  # A room may report within "Detectors" as "detectors".
        if key not in self.stages:
            if len(self.stages) >= STAGES_KEPT:
                return next(reversed(self.stages.values()))
            row = StageRow(stage, self)
            for at, widget in enumerate(row.cells):
                self._grid.addWidget(widget, len(self.stages), at)
            self.stages[key] = row
        return self.stages[key]

    def _forget(self) -> None:
        for row in self.stages.values():
            for widget in row.cells:
                self._grid.removeWidget(widget)
                widget.deleteLater()
        self.stages = {}

    # ---- acts -----------------------------------------------------------------------------------

    def _on_pause(self) -> None:
        if self._paused:
            self._workspace.resume_job()
            self._say(f"{self._job()}: going on …")
        else:
            self._workspace.pause_job()
            self._say(f"{self._job()}: pausing after the present chunk …")

    def _on_cancel(self) -> None:
        self._workspace.cancel_job()
        self._say(f"{self._job()}: stopping after the present chunk …")
        self.cancel.setEnabled(False)
        self.pause.setEnabled(False)


class StageRow:
    """The widgets of one stage: name, bar, count, rate, time left, text."""

    def __init__(self, stage: str, parent: QWidget) -> None:
        shown = plain(stage, 60)
        self.name = QLabel(shown[:1].upper() + shown[1:], parent)
        self.bar = QProgressBar(parent)
        self.bar.setRange(0, STEPS)
        self.bar.setMinimumWidth(90)
        self.bar.setFixedHeight(16)
        self.count = QLabel(parent)
        self.rate = QLabel(parent)
        self.left = QLabel(parent)
        self.text = ElidedLabel("", parent, QPalette.ColorRole.PlaceholderText)
        self.cells = (self.name, self.bar, self.count, self.rate, self.left, self.text)
        for cell in self.cells:
            if isinstance(cell, QLabel):
                cell.setTextFormat(Qt.TextFormat.PlainText)
        for cell in (self.count, self.rate, self.left):
            cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._ended = False
        self.is_stage = False

    def enter(self, state: str) -> None:
        """Show that the stage started, is done, or was done before and is skipped."""
        self.is_stage = True
        if state in ("done", "skipped"):
            self._ended = True
            self.bar.setRange(0, STEPS)
            self.bar.setValue(STEPS)
            self.left.setText("done" if state == "done" else "kept from before")
        elif state == "started":
            self.bar.setRange(0, 0)
            self.left.setText("started")

    def progress(self, event: dict[str, Any]) -> None:
        """Show a report."""
        done, total = _whole(event.get("done")), _whole(event.get("total"))
        self.bar.setRange(0, STEPS if total else 0)
        if total:
            self.bar.setValue(min(STEPS, done * STEPS // total))
            self.count.setText(how_far(event.get("stage"), done, total))
        else:
            self.count.setText(f"{done:,}" if done else "")
        rate, left = event.get("rate"), event.get("seconds_left")
        rate = None if is_share(event.get("stage")) else rate
        self.rate.setText(f"{_rate(rate)} / s" if isinstance(rate, int | float) else "")
        if total and done >= total:
            self.left.setText("done")
        elif isinstance(left, int | float):
            self.left.setText(f"{duration(left)} left")
        self.text.setText(plain(event.get("text") or "", 200))

    def end(self, how: str) -> None:
        """Stop moving: the job has ended."""
        if self._ended or self.left.text() == "done":
            return
        if self.bar.maximum() == 0:
            self.bar.setRange(0, STEPS)
            self.bar.setValue(STEPS if how == "done" else 0)
        self.left.setText(how)
        self.rate.setText("")


def duration(seconds: float) -> str:
    """Return a time span as a person says it: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0
