"""The line at the bottom: counts, the last save, the running job with its cancel, the device."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QSizePolicy, QStatusBar, QWidget

from inspector.engine.client import protection
from inspector.engine.client.retold import how_far
from inspector.gui import theme
from inspector.gui.job_feed import Event
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace


class StatusLine(QStatusBar):
    """Says how much there is, that it is saved, and what runs."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._facts = QLabel(self)
        self._facts.setTextFormat(Qt.TextFormat.PlainText)
        self._facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._facts.setContentsMargins(6, 0, 0, 0)
        self._stage = QLabel(self)
        self._stage.setTextFormat(Qt.TextFormat.PlainText)
        self._stage.setStyleSheet(f"color: {theme.MUTED}")
        self.bar = QProgressBar(self)
        self.bar.setFixedWidth(210)
        self.bar.setTextVisible(True)
        self._cancel = QPushButton("Cancel", self)
        self._cancel.setToolTip("Stop the job; what it finished is kept and it can be resumed")
        self._device = QLabel(self)
        self._device.setTextFormat(Qt.TextFormat.PlainText)
        self._device.setStyleSheet(f"color: {theme.MUTED}")
        self._device.setContentsMargins(4, 0, 4, 0)
        self.addWidget(self._facts, 1)
        for widget in (self._stage, self.bar, self._cancel, self._device):
            self.addPermanentWidget(widget)
        self._cancel.clicked.connect(workspace.cancel_job)
        for signal in (
            workspace.case_changed,
            workspace.table_changed,
            workspace.tags_changed,
            workspace.selection_changed,
        ):
            signal.connect(self._count)
        workspace.job_event.connect(self._on_job)
        self._show_job(False)
        self._count()

    def facts(self) -> str:
        """Return the counts as they are shown."""
        return self._facts.text()

    def _count(self, *_: object) -> None:
        space = self._workspace
        if space.case is None:
            self._facts.setText("No case open")
            self._device.setText("")
            self._device.setToolTip("")
            return
        parts = [f"{space.n:,} samples", f"{space.selection.count:,} selected"]
        parts.append(f"{int((space.tag_code >= 0).sum()):,} tagged")
        before = space.case.tags.next_undo()
        if before is not None:
            what = plain(before.details.get("tag") or "", 30)
            parts.append(f"undo: {plain(before.act)} {what}".rstrip())
        if space.saved_at is not None:
            parts.append(f"saved {space.saved_at:%H:%M:%S}")
        self._facts.setText(" · ".join(parts))
        self._facts.setToolTip(
            "Every act is written to the case at once. There is nothing to save by hand."
        )
        options = space.case.get("scan", {}) or {}
        ran_on = (space.case.get("signals") or {}).get("device", "")
        layers = [str(layer) for layer in space.case.get("sandbox", []) or []]
        parts = [str(ran_on or options.get("device", "")), protection.brief(layers)]
        self._device.setText(plain(" · ".join(part for part in parts if part), 60))
        self._device.setToolTip(protection.explained(layers) if layers else "")

    def _on_job(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "progress":
            self._show_job(True)
            total, done = int(event.get("total") or 0), int(event.get("done") or 0)
            # A step that did all it counted and still goes on is busy, not finished.
            self.bar.setRange(0, total if done < total else 0)
            self.bar.setValue(done)
            stage = plain(event.get("stage", ""), 40)
            left = event.get("seconds_left")
            self.bar.setFormat(how_far(event.get("stage"), done, max(total, 1), "{:,} / {:,}"))
            self._stage.setText(f"{stage} · {_duration(float(left))}" if left else stage)
        elif kind == "paused":
            self._stage.setText("paused")
        elif kind == "budget":
            self.bar.setRange(0, 1)
            self.bar.reset()
            self._stage.setText("waits for your answer")
        elif kind in ("done", "failed", "cancelled"):
            # Another job may go on: what the bar says of the one that ended is not true of it.
            running = self._workspace.running
            self._show_job(running is not None)
            self.bar.setRange(0, 0)
            self._stage.setText(plain(running or "", 40).capitalize())
            self._count()

    def _show_job(self, running: bool) -> None:
        for widget in (self._stage, self.bar, self._cancel):
            widget.setVisible(running)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    return f"{round(seconds / 60)} min left"
