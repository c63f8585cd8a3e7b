"""*Detectors ▸ Check the cleaning…*: what to leave out, what it will take, progress, what came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case, trigger_id
from inspector.case.cleaning_document import budget_sentence, cleaning_document
from inspector.engine.client.cleaning import CleaningPlan
from inspector.errors import InspectorError
from inspector.gui.budget_dialog import BudgetDialog
from inspector.gui.chip import chip
from inspector.gui.cleaning_view import CleaningView
from inspector.gui.number_box import count_box
from inspector.gui.plain import plain
from inspector.gui.trigger_results import read_trigger
from inspector.gui.workspace import Workspace

LEFT_OUT_AT_FIRST = ("poison", "suspect")
_STARTS = (
    ("automatic", "auto", "From weights drawn anew, if that is possible for this network"),
    ("from weights drawn anew", "scratch", "Nothing of the suspect's training is left; slower"),
    ("from the suspect's weights", "weights", "With a fresh last layer; they may remember"),
)


class CleaningDialog(BudgetDialog):
    """Leave tagged samples out, train, and try the trigger again."""

    JOB, TITLE, GO = "cleaning", "Check the cleaning", "Train"
    INTRO = (
        "Two small copies of the network are trained alike, one without the tagged samples and one "
        "with them, and the trigger is tried on both. Only if it falls without them and not with them "
        "did leaving them out do it. Evidence and model stay as they are."
    )
    MEASURES = "Reading the samples and measuring one step of the training …"
    RUNS, REST = "Training …", "for this one"
    DONE = "Checked; the result is kept in the case."

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(workspace, parent)
        self.tags: dict[str, QCheckBox] = {}
        self.trigger, self.start_from = QComboBox(self), QComboBox(self)
        self.seconds, self.images = count_box("the usual time"), count_box()
        self.kept = QComboBox(self)
        self.view = CleaningView(self)
        self._build()
        self.kept.activated.connect(self._show_chosen)
        workspace.case_changed.connect(self._on_case)
        workspace.tags_changed.connect(self._fill_tags)
        workspace.kinds_changed.connect(self._fill_tags)
        workspace.table_changed.connect(self._on_table)
        self._on_case()

    def _build(self) -> None:
        for title, name, tip in _STARTS:
            self.start_from.addItem(title, name)
            self.start_from.setItemData(
                self.start_from.count() - 1, tip, Qt.ItemDataRole.ToolTipRole
            )
        self.seconds.setSuffix(" s")
        self.seconds.setToolTip("What both trainings together may take; 0 for the usual length")
        self.images.setRange(100, 50_000)
        self.images.setValue(2000)
        self.images.setToolTip("Random samples that are used; a fifth is held out to measure on")
        self._tag_row = QHBoxLayout()
        self._tag_row.setSpacing(12)
        self._tag_row.addStretch(1)
        form = QGridLayout()
        form.setHorizontalSpacing(10)
        form.addWidget(QLabel("Leave out", self), 0, 0)
        form.addLayout(self._tag_row, 0, 1, 1, 3)
        fields = (("Trigger", self.trigger), ("Samples", self.images),
                  ("Train", self.start_from), ("At most", self.seconds))  # fmt: skip
        for at, (word, field) in enumerate(fields):
            form.addWidget(QLabel(word, self), 1 + at // 2, 2 * (at % 2))
            form.addWidget(field, 1 + at // 2, 2 * (at % 2) + 1)
        form.setColumnStretch(1, 3)
        form.setColumnStretch(3, 2)
        self._earlier = QLabel("Checks in this case", self)
        earlier = QHBoxLayout()
        earlier.addWidget(self._earlier)
        earlier.addWidget(self.kept, 1)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(self.intro)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addLayout(self.acts)
        column.addLayout(earlier)
        column.addWidget(self.view, 100)
        column.addStretch(1)

    def sizeHint(self) -> QSize:
        return QSize(700, 300 if self.view.isHidden() else 660)

    # ---- what can be asked ----------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self.begin_planning()
        self._fill_tags()
        self._fill_triggers()
        self._fill_kept()

    def _on_table(self, names: object) -> None:
        if isinstance(names, set) and any(str(name).startswith("trigger") for name in names):
            self._fill_triggers()

    def _fill_tags(self, _: object = None) -> None:
        case = self._workspace.case
        kinds = [] if case is None else case.tags.kinds
        counts = {} if case is None else case.tags.counts()
        if list(self.tags) != [kind.name for kind in kinds]:
            for box in self.tags.values():
                self._tag_row.removeWidget(box)
                box.deleteLater()
            self.tags = {}
            for kind in kinds:
                box = self.tags[kind.name] = QCheckBox(self)
                box.setIcon(chip(kind.colour))
                box.setIconSize(QSize(10, 10))
                box.setChecked(kind.name in LEFT_OUT_AT_FIRST and counts[kind.name] > 0)
                box.toggled.connect(self.offer)
                self._tag_row.insertWidget(self._tag_row.count() - 1, box)
        for name, box in self.tags.items():
            box.setText(f"{plain(name, 30)} ({counts[name]:,})")
        self.offer()

    def _fill_triggers(self) -> None:
        case, chosen = self._workspace.case, self.trigger.currentData()
        self.trigger.clear()
        for found in [] if case is None else _pictured(case):
            self.trigger.addItem(*found)
        self.trigger.setCurrentIndex(max(0, self.trigger.findData(chosen)))
        self.offer()

    def lacking(self) -> str:
        """Say what is not there to be left out, or to be tried."""
        case = self._workspace.case
        if not self.trigger.count():
            return (
                "There is no reconstructed trigger with a picture: search one in the Trigger lab."
            )
        counts = {} if case is None else case.tags.counts()
        if not any(box.isChecked() and counts.get(name) for name, box in self.tags.items()):
            return "No sample carries a chosen tag: tag what should go, or tick another tag."
        return ""

    def fields(self) -> Iterable[QWidget]:
        """Return the choices of the plan."""
        return (self.trigger, self.start_from, self.seconds, self.images, *self.tags.values())

    # ---- acts -----------------------------------------------------------------------------------

    def plan(self) -> CleaningPlan:
        """Return what is asked for.

        Raises
        ------
        BadInput
            A number is out of range.
        """
        return CleaningPlan(
            tags=tuple(name for name, box in self.tags.items() if box.isChecked()),
            trigger=self.trigger.currentData(),
            start=self.start_from.currentData(),
            seconds=float(self.seconds.value()) or None,
            images=self.images.value(),
        )

    def start(self) -> bool:
        """Measure, and then ask."""
        return self._workspace.start_cleaning(self.plan())

    def budget_sentence(self, budget: Mapping[str, Any]) -> str:
        """Say what both trainings will take."""
        return budget_sentence(budget)

    def _on_event(self, event: dict[str, Any]) -> None:
        super()._on_event(event)
        if event.get("event") == "cleaned":
            self._fill_kept(str(event.get("key")))

    # ---- what was measured ----------------------------------------------------------------------

    def _fill_kept(self, key: str = "") -> None:
        """List the checks of the case, the newest first, and show one."""
        case = self._workspace.case
        checks = [] if case is None else checks_of(case)
        self.kept.clear()
        for check in reversed(checks):
            tags = ", ".join(plain(tag, 20) for tag in check["settings"]["tags"])
            title = (
                f"{plain(check['settings']['trigger'], 40)}, without {check['removed']:,} {tags}"
            )
            self.kept.addItem(title, check)
            if check["key"] == key:
                self.kept.setCurrentIndex(self.kept.count() - 1)
        for widget in (self._earlier, self.kept, self.view):
            widget.setVisible(bool(checks))
        self._show_chosen()
        self.resize(self.size().expandedTo(self.sizeHint()))

    def _show_chosen(self, _: object = None) -> None:
        check = self.kept.currentData()
        if check is not None:
            self.view.show_check(check)


def _pictured(case: Case) -> list[tuple[str, str]]:
    """Return words and name of every trigger that can be tried, the most telling first."""
    read = (read_trigger(case, row) for row in case.triggers() if row.get("mask_array"))
    found = [trigger for trigger in read if trigger is not None and trigger.mask is not None]
    found.sort(key=lambda one: (not one.significant, -np.nan_to_num(one.anomaly, nan=-np.inf)))
    named = []
    for trigger in found:
        name = trigger_id({"index": trigger.index, "method": trigger.method})
        known = trigger.index < len(case.class_names)
        to = plain(case.class_names[trigger.index], 40) if known else str(trigger.index)
        works = f", works on {trigger.success:.0%}" if trigger.success == trigger.success else ""
        named.append((f"→ {to}, {plain(trigger.method, 40)}{works}", name))
    return named


def checks_of(case: Case) -> list[dict[str, Any]]:
    """Return the checks that the case holds, oldest first; none when they have another shape."""
    try:
        checks: list[dict[str, Any]] = cleaning_document(case)["checks"]
    except (InspectorError, LookupError, TypeError, ValueError):
        return []  # A record of another shape, in a case from elsewhere.
    return checks
