"""*Detectors ▸ Plan a drill…*: plant known attacks in copies, and see whether they would be found."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case
from inspector.case.drill_document import drill_budget_sentence, drill_document, drill_sentence
from inspector.errors import BadInput, InspectorError
from inspector.gui.drill_form import DrillForm
from inspector.gui.drill_grid import LEGEND, DrillGrid, tally
from inspector.gui.jobs_panel import duration
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

JOB = "drill"
_STEPS = 1000
INTRO = (
    "Known attacks are planted in copies of random pictures of your data, a copy of your model learns "
    "them, and the detectors of the case's scan look. What works here and is missed, a scan of the "
    "evidence may have missed, too. Evidence and model stay as they are."
)


class DrillDialog(QDialog):
    """Stays open beside the window: nothing is planted before the budget was agreed to."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Drills")
        self._workspace = workspace
        self._phase, self._begun = "plan", 0.0
        self._drills: list[dict[str, Any]] = []
        self.form = DrillForm(self)
        self.said, self.count = QLabel(self), QLabel(self)
        self.bar = QProgressBar(self)
        self.measure = QPushButton("What would it take?", self)
        self.begin = QPushButton("Begin", self)
        self.cancel = QPushButton("Cancel", self)
        self.close_ = QPushButton("Close", self)
        self.tally, self.legend, self.words = (QLabel(self) for _ in range(3))
        self.grid = DrillGrid()
        self._build()
        self.form.changed.connect(self._offer)
        self.measure.clicked.connect(self._on_measure)
        self.begin.clicked.connect(self._on_begin)
        self.cancel.clicked.connect(workspace.cancel_job)
        self.close_.clicked.connect(self.close)
        self.grid.picked.connect(self._on_picked)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        workspace.job_event.connect(self._on_event)
        self._on_case()

    def _build(self) -> None:
        intro = QLabel(INTRO, self)
        for label in (intro, self.said, self.tally, self.legend, self.words):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.legend.setText(LEGEND)
        self.legend.setForegroundRole(self.legend.foregroundRole().PlaceholderText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar.setRange(0, _STEPS)
        self.bar.setFixedHeight(14)
        self.bar.setTextVisible(False)
        self.measure.setProperty("primary", True)
        self.begin.setProperty("primary", True)
        acts = QHBoxLayout()
        acts.addWidget(self.count)
        acts.addWidget(self.bar, 1)
        acts.addStretch(0)
        for button in (self.cancel, self.measure, self.begin, self.close_):
            button.setAutoDefault(False)
            acts.addWidget(button)
        self.area = QScrollArea(self)
        self.area.setWidget(self.grid)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setMinimumHeight(130)
        column = QVBoxLayout(self)
        column.setSpacing(9)
        column.addWidget(intro)
        column.addWidget(self.form)
        column.addWidget(self.said)
        column.addLayout(acts)
        column.addWidget(self.tally)
        column.addWidget(self.area, 100)
        column.addWidget(self.words)
        column.addWidget(self.legend)
        column.addStretch(1)

    def sizeHint(self) -> QSize:
        return QSize(780, 660 if self._drills else 350)

    # ---- what can be asked ----------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self.form.use(self._workspace.case)
        self._to("plan", "")
        self._fill()

    def _on_table(self, names: object) -> None:
        if isinstance(names, set) and "findings" in names:
            self.form.use(self._workspace.case)
        self._offer()

    def _missing(self) -> str:
        """Say what stands in the way, or nothing."""
        case = self._workspace.case
        if case is None or case.read_only:
            return "The case is open for reading only." if case else "Open a case first."
        if not case.get("model") or not case.get("outcome"):
            return "There is nothing to put to the test yet: analyse the case first."
        if self._workspace.running not in (None, "map"):
            return f"The {plain(self._workspace.running or '', 40)} still runs."
        try:
            count = len(self.form.plans())
        except BadInput as error:
            return plain(str(error), 300)
        self.count.setText(f"{count:,} {'drill' if count == 1 else 'drills'}")
        return ""

    def _offer(self) -> None:
        planning = self._phase == "plan"
        missing = self._missing() if planning else ""
        self.measure.setVisible(planning)
        self.measure.setEnabled(not missing)
        self.begin.setVisible(self._phase == "asked")
        self.cancel.setVisible(not planning)
        self.bar.setVisible(self._phase in ("measuring", "drilling"))
        self.count.setVisible(planning and not missing)
        self.form.setEnabled(planning)
        if planning and (missing or self.said.property("missing")):
            self.said.setText(missing)
        self.said.setProperty("missing", bool(missing))
        self.said.setVisible(bool(self.said.text()))

    def _to(self, phase: str, said: str) -> None:
        self._phase = phase
        self.said.setText(said)
        self.said.setProperty("missing", False)
        self.bar.setRange(0, 0 if phase == "measuring" else _STEPS)
        self.bar.setValue(0)
        self._offer()

    # ---- acts -----------------------------------------------------------------------------------

    def _on_measure(self) -> None:
        if self._workspace.start_drill(self.form.plans()):
            self._to("measuring", "Reading pictures and measuring one step of the training …")

    def _on_begin(self) -> None:
        self._begun = time.monotonic()
        self._to("drilling", "Planting …")
        self._workspace.answer_budget(True)

    def done(self, result: int) -> None:
        # Who closes the question has not agreed.
        if self._phase == "asked":
            self._workspace.answer_budget(False)
        super().done(result)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "budget" and event.get("job") == JOB:
            self._to("asked", f"{plain(drill_budget_sentence(event['budget']), 600)} Begin?")
            self.show()
        elif kind == "progress" and self._phase in ("measuring", "drilling"):
            self._progress(event)
        elif kind == "drilled":
            self.grid.chosen = str(event.get("key"))
            self._fill()
        elif kind in ("done", "failed", "cancelled") and event.get("job") == JOB:
            words = [plain(event.get(part) or "", 300) for part in ("what", "why", "fix")]
            kept = "Finished drills are kept in the case; the same plan goes on with the others."
            ended = {"done": "Done; the results are kept in the case.", "cancelled": kept}
            self._to("plan", ended.get(str(kind)) or " ".join(filter(None, words)))
            self._fill()
        elif kind in ("done", "failed", "cancelled"):
            self._offer()

    def _progress(self, event: dict[str, Any]) -> None:
        done, total, stage = event.get("done"), event.get("total"), str(event.get("stage"))
        if not (isinstance(done, int) and isinstance(total, int) and total > 0):
            return
        if stage == "Drills":  # How many of them; the stages within each are said in words.
            each = (time.monotonic() - self._begun) / done if done else 0.0
            rest = f", about {duration(each * (total - done))} left" if done else ""
            self.count.setText(f"{done} of {total}{rest}")
            self.count.show()
            return
        self.bar.setRange(0, _STEPS)
        self.bar.setValue(min(_STEPS, _STEPS * done // total))
        left = event.get("seconds_left")
        more = f" {duration(left)} left for this step" if isinstance(left, int | float) else ""
        self.said.setText(f"{plain(stage, 80)} …{more}")

    # ---- what was measured ----------------------------------------------------------------------

    def _fill(self) -> None:
        case = self._workspace.case
        self._drills = [] if case is None else drills_of(case)
        shown = bool(self._drills)
        for widget in (self.tally, self.area, self.words, self.legend):
            widget.setVisible(shown)
        self.grid.show_drills(self._drills)
        if shown:
            self.tally.setText(f"In this case: {tally(self._drills)}")
        self._on_picked(self.grid.chosen)
        self.resize(self.size().expandedTo(self.sizeHint()))

    def _on_picked(self, key: str) -> None:
        drill = next((one for one in self._drills if one["key"] == key), None)
        said = "A click on a cell says what was measured."
        if drill is not None:
            said = " ".join([drill_sentence(drill), *drill["caveats"]])
        self.words.setText(plain(said, 1500))


def drills_of(case: Case) -> list[dict[str, Any]]:
    """Return the drills that the case holds; none when they have another shape."""
    try:
        drills: list[dict[str, Any]] = drill_document(case)["drills"]
        for drill in drills:
            drill_sentence(drill)
    except (InspectorError, LookupError, TypeError, ValueError):
        return []
    return drills
