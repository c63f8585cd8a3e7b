"""*Detectors ▸ Plan a drill…*: plant known attacks in copies, and see whether they would be found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case
from inspector.case.drill_document import drill_budget_sentence, drill_document, drill_sentence
from inspector.errors import BadInput, InspectorError
from inspector.gui.budget_dialog import PLAN, RUNNING, BudgetDialog
from inspector.gui.drill_form import DrillForm
from inspector.gui.drill_grid import LEGEND, DrillGrid, tally
from inspector.gui.jobs_panel import duration
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace


class DrillDialog(BudgetDialog):
    """Plan drills, and see what a scan made of each."""

    JOB, TITLE, GO = "drill", "Drills", "Begin"
    INTRO = (
        "Known attacks are planted in copies of random pictures of your data, a copy of your model "
        "learns them, and the detectors of the case's scan look. What works here and is missed, a scan "
        "of the evidence may have missed, too. Evidence and model stay as they are."
    )
    MEASURES = "Reading pictures and measuring one step of the training …"
    RUNS = "Planting …"
    DONE = "Done; the results are kept in the case."
    CANCELLED = "Finished drills are kept in the case; the same plan goes on with the others."

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(workspace, parent)
        self._begun = 0.0
        self._drills: list[dict[str, Any]] = []
        self.form = DrillForm(self)
        self.count = QLabel(self)
        self.tally, self.legend, self.words = (QLabel(self) for _ in range(3))
        self.grid = DrillGrid()
        self._build()
        self.form.changed.connect(self.offer)
        self.grid.picked.connect(self._on_picked)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        self._on_case()

    def _build(self) -> None:
        self.wrapped(self.tally, self.legend, self.words)
        self.legend.setText(LEGEND)
        self.legend.setForegroundRole(self.legend.foregroundRole().PlaceholderText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.acts.insertWidget(0, self.count)
        self.area = QScrollArea(self)
        self.area.setWidget(self.grid)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setMinimumHeight(130)
        column = QVBoxLayout(self)
        column.setSpacing(9)
        column.addWidget(self.intro)
        column.addWidget(self.form)
        column.addWidget(self.said)
        column.addLayout(self.acts)
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
        self.begin_planning()
        self._fill()

    def _on_table(self, names: object) -> None:
        if isinstance(names, set) and "findings" in names:
            self.form.use(self._workspace.case)
        self.offer()

    def lacking(self) -> str:
        """Say why these drills cannot be."""
        case = self._workspace.case
        if case is None or not case.get("model") or not case.get("outcome"):
            return "There is nothing to put to the test yet: analyse the case first."
        try:
            count = len(self.form.plans())
        except BadInput as error:
            return plain(str(error), 300)
        self.count.setText(f"{count:,} {'drill' if count == 1 else 'drills'}")
        return ""

    def fields(self) -> Iterable[QWidget]:
        """Return the form."""
        return (self.form,)

    def offer(self, _: object = None) -> None:
        """Show what can be done now, and how many drills a plan has."""
        super().offer()
        self.count.setVisible(self.phase == PLAN and self.measure.isEnabled())

    # ---- acts -----------------------------------------------------------------------------------

    def start(self) -> bool:
        """Measure, and then ask."""
        return self._workspace.start_drill(self.form.plans())

    def budget_sentence(self, budget: Mapping[str, Any]) -> str:
        """Say what all drills will take."""
        return drill_budget_sentence(budget)

    def ended(self) -> None:
        """Draw what is kept now."""
        self._fill()

    def to(self, phase: str, said: str) -> None:
        """Enter a phase; the time of a drill counts from the answer."""
        if phase == RUNNING:
            self._begun = time.monotonic()
        super().to(phase, said)

    def _on_event(self, event: dict[str, Any]) -> None:
        super()._on_event(event)
        if event.get("event") == "drilled":
            self.grid.chosen = str(event.get("key"))
            self._fill()

    def progressed(self, event: Mapping[str, Any]) -> None:
        """Show how many drills are through, and how far the one at hand is."""
        done, total = event.get("done"), event.get("total")
        if event.get("stage") != "Drills":
            super().progressed(event)
        elif isinstance(done, int) and isinstance(total, int) and total > 0:
            each = (time.monotonic() - self._begun) / done if done else 0.0
            rest = f", about {duration(each * (total - done))} left" if done else ""
            self.count.setText(f"{done} of {total}{rest}")
            self.count.show()

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
