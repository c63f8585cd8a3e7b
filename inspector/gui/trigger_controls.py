"""The row of the trigger lab that starts, holds, ends and cancels a search, and says how far it is."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from inspector.gui.elided_label import ElidedLabel
from inspector.gui.trigger_course import SearchCourse
from inspector.gui.trigger_methods import MethodBox
from inspector.gui.workspace import Workspace

_STEPS = 1000
_START = "Search triggers for the ticked classes"


class SearchControls(QWidget):
    """Buttons over a `SearchCourse`.

    Signals
    -------
    started
        A search is wanted.
    """

    started = Signal()

    def __init__(
        self, workspace: Workspace, course: SearchCourse, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace, self._course = workspace, course
        self.method = MethodBox(self)
        self.start = QPushButton("Start", self)
        self.pause = QPushButton("Pause", self)
        self.keep = QPushButton("Stop and keep", self)
        self.cancel = QPushButton("Cancel", self)
        self.bar = QProgressBar(self)
        self.state = ElidedLabel("", self)
        self.start.setProperty("primary", True)
        self.keep.setToolTip(
            "End now: triggers that work so far are kept, marked as stopped early. The same search "
            "goes on from there later."
        )
        self.cancel.setToolTip(
            "End without a result; classes that are searched through are not searched again"
        )
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(90)
        self.bar.setFixedHeight(12)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(6)
        self.row.addWidget(self.method)
        for button in (self.start, self.pause, self.keep, self.cancel):
            self.row.addWidget(button)
        self.row.addWidget(self.bar)
        self.row.addWidget(self.state, 1)
        self.start.clicked.connect(self.started)
        self.pause.clicked.connect(self._on_pause)
        self.keep.clicked.connect(lambda _=False: workspace.finish_job())
        self.cancel.clicked.connect(self._on_cancel)
        self.offer(False)

    def offer(self, possible: bool) -> None:
        """Enable what can be done now; ``possible`` says whether there is something to search."""
        course, busy = self._course, self._workspace.busy
        # A low dock is not wide either: what cannot be pressed now leaves its room to the words.
        self.start.setVisible(not course.running)
        for widget in (self.pause, self.keep, self.cancel, self.bar):
            widget.setVisible(course.running)
        self.start.setEnabled(possible and not course.running and not busy)
        self.start.setToolTip(busy or _START)
        self.method.setEnabled(not course.running)
        self.pause.setEnabled(course.running and not course.ending)
        self.pause.setText("Resume" if course.paused else "Pause")
        self.keep.setEnabled(course.running and not course.ending)
        self.cancel.setEnabled(course.running)
        if course.running:
            known = course.share == course.share
            self.bar.setRange(0, _STEPS if known else 0)
            self.bar.setValue(round(_STEPS * course.share) if known else 0)
            self.state.setText(course.sentence())

    def _on_pause(self) -> None:
        if self._course.paused:
            self._workspace.resume_job()
        else:
            self._workspace.pause_job()

    def _on_cancel(self) -> None:
        self._workspace.cancel_job()
        self.cancel.setEnabled(False)
        self.keep.setEnabled(False)
        self.state.setText("Cancelling …")
