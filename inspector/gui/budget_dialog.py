"""What the questions about a budget have in common: plan, what it will take, yes or no, progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from inspector.errors import BadInput
from inspector.gui.jobs_panel import duration
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

PLAN, MEASURING, ASKED, RUNNING = "plan", "measuring", "asked", "running"
"""A plan can be changed; an engine measures; its budget waits for an answer; the job runs."""

_STEPS = 1000
_ENDINGS = ("done", "failed", "cancelled")


class BudgetDialog(QDialog):
    """Stays open beside the window: nothing is spent before the budget was agreed to.

    What a question is about it says in `missing`, `start`, `budget_sentence`, `fields` and the class
    attributes; it lays out `intro`, `said` and `acts` and calls `begin_planning` when it is built.
    """

    JOB: ClassVar[str]
    """Name of the job in events."""
    TITLE: ClassVar[str]
    INTRO: ClassVar[str]
    GO: ClassVar[str]
    """Word on the button that agrees; the question is asked with it, too."""
    MEASURES: ClassVar[str]
    RUNS: ClassVar[str]
    """What is said while it measures, and when it begins."""
    REST: ClassVar[str] = "for this step"
    """What the time that is left is for."""
    DONE: ClassVar[str]
    CANCELLED: ClassVar[str] = "Cancelled."

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.TITLE)
        self._workspace, self.phase = workspace, PLAN
        self.intro, self.said = QLabel(self.INTRO, self), QLabel(self)
        self.bar = QProgressBar(self)
        self.measure = QPushButton("What would it take?", self)
        self.go = QPushButton(self.GO, self)
        self.keep = QPushButton("Stop and keep", self)
        self.cancel = QPushButton("Cancel", self)
        self.close_ = QPushButton("Close", self)
        self.wrapped(self.intro, self.said)
        self.bar.setFixedHeight(14)
        self.bar.setTextVisible(False)
        self.measure.setProperty("primary", True)
        self.go.setProperty("primary", True)
        self.acts = QHBoxLayout()
        self.acts.addWidget(self.bar, 1)
        self.acts.addStretch(0)
        for button in (self.keep, self.cancel, self.measure, self.go, self.close_):
            button.setAutoDefault(False)
            self.acts.addWidget(button)
        self.measure.clicked.connect(self._on_measure)
        self.go.clicked.connect(self._on_go)
        self.keep.setToolTip(
            "End now, with what there is so far; the same search goes on from there"
        )
        self.keep.clicked.connect(lambda _=False: workspace.finish_job())
        self.cancel.clicked.connect(workspace.cancel_job)
        self.close_.clicked.connect(self.close)
        workspace.job_event.connect(self._on_event)

    @staticmethod
    def wrapped(*labels: QLabel) -> None:
        """Let labels show plain text in as many lines as it takes."""
        for label in labels:
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    # ---- what a question says of itself ---------------------------------------------------------

    def missing(self) -> str:
        """Say what stands in the way, or nothing."""
        case = self._workspace.case
        if case is None or case.read_only:
            return "The case is open for reading only." if case else "Open a case first."
        return self.lacking() or self._workspace.busy

    def lacking(self) -> str:
        """Say what this question needs of a case and does not find, or nothing."""
        raise NotImplementedError

    def start(self) -> bool:
        """Start the job that measures and then asks.

        Raises
        ------
        BadInput
            The plan cannot be.
        """
        raise NotImplementedError

    def budget_sentence(self, budget: Mapping[str, Any]) -> str:
        """Put the budget into words."""
        raise NotImplementedError

    def fields(self) -> Iterable[QWidget]:
        """Return what can be changed while it is planned."""
        raise NotImplementedError

    def outcome(self) -> str:
        """Say what a job that is done came to."""
        return self.DONE

    def ended(self) -> None:
        """Take up what came out; every ending of the job calls this."""

    # ---- phases ---------------------------------------------------------------------------------

    def begin_planning(self) -> None:
        """Forget what was asked, for another case."""
        self.to(PLAN, "")

    def to(self, phase: str, said: str) -> None:
        """Enter a phase and say something."""
        self.phase = phase
        self.said.setText(said)
        self.said.setProperty("missing", False)
        self.bar.setRange(0, 0 if phase == MEASURING else _STEPS)
        self.bar.setValue(0)
        self.offer()

    def offer(self, _: object = None) -> None:
        """Show what can be done now."""
        planning = self.phase == PLAN
        missing = self.missing() if planning else ""
        self.measure.setVisible(planning)
        self.measure.setEnabled(not missing)
        self.measure.setToolTip(missing)
        self.go.setVisible(self.phase == ASKED)
        self.keep.setVisible(self.phase == RUNNING and self._workspace.ends_early)
        self.keep.setEnabled(True)
        self.cancel.setVisible(not planning)
        self.bar.setVisible(self.phase in (MEASURING, RUNNING))
        for widget in self.fields():
            widget.setEnabled(planning)
        if planning and (missing or self.said.property("missing")):
            self.said.setText(missing)
        self.said.setProperty("missing", bool(missing))
        self.said.setVisible(bool(self.said.text()))

    def progressed(self, event: Mapping[str, Any]) -> None:
        """Show how far the job is."""
        done, total = event.get("done"), event.get("total")
        if isinstance(done, int) and isinstance(total, int) and total > 0:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(min(_STEPS, _STEPS * done // total))
        if self.phase == RUNNING:
            self.keep.setVisible(self._workspace.ends_early)
            left = event.get("seconds_left")
            more = f" {duration(left)} left {self.REST}" if isinstance(left, int | float) else ""
            parts = (event.get("stage") or self.RUNS, event.get("text") or "")
            now = ": ".join(filter(None, (plain(part, 45) for part in parts)))
            self.said.setText(f"{now} …{more}")

    def done(self, result: int) -> None:
        # Who closes the question has not agreed.
        if self.phase == ASKED:
            self._workspace.answer_budget(False)
        super().done(result)

    def _on_measure(self) -> None:
        try:
            started = self.start()
        except BadInput as error:
            self.to(PLAN, plain(str(error), 300))
            return
        if started:
            self.to(MEASURING, self.MEASURES)

    def _on_go(self) -> None:
        self._workspace.answer_budget(True)
        self.to(RUNNING, self.RUNS)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind, mine = event.get("event"), event.get("job") == self.JOB
        if kind == "budget" and mine:
            said = plain(self.budget_sentence(event["budget"]), 800)
            self.to(ASKED, f"{said} {self.GO}?")
            self.show()
        elif kind == "finishing" and self.phase == RUNNING:
            self.keep.setEnabled(False)
            self.said.setText("Stopping, keeping what there is …")
        elif kind == "progress" and self.phase in (MEASURING, RUNNING):
            self.progressed(event)
        elif kind in _ENDINGS and mine and self.phase != PLAN:
            words = [plain(event.get(part) or "", 300) for part in ("what", "why", "fix")]
            ended = {"done": self.outcome(), "cancelled": self.CANCELLED}
            self.to(PLAN, ended.get(str(kind)) or " ".join(filter(None, words)))
            self.ended()
        elif kind in ("started", *_ENDINGS):
            self.offer()
