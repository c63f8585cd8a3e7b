"""*Detectors ▸ Check the cleaning…*: what to leave out, what it will take, progress, what came out."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Case, trigger_id
from inspector.case.cleaning_document import budget_sentence, cleaning_document
from inspector.engine.client.cleaning import CleaningPlan
from inspector.errors import BadInput, InspectorError
from inspector.gui.chip import chip
from inspector.gui.cleaning_view import CleaningView
from inspector.gui.jobs_panel import duration
from inspector.gui.number_box import count_box
from inspector.gui.plain import plain
from inspector.gui.trigger_results import read_trigger
from inspector.gui.workspace import Workspace

JOB = "cleaning"
LEFT_OUT_AT_FIRST = ("poison", "suspect")
_STARTS = (
    ("automatic", "auto", "From weights drawn anew, if that is possible for this network"),
    ("from weights drawn anew", "scratch", "Nothing of the suspect's training is left; slower"),
    ("from the suspect's weights", "weights", "With a fresh last layer; they may remember"),
)
_STEPS = 1000
INTRO = (
    "Two small copies of the network are trained alike, one without the tagged samples and one with "
    "them, and the trigger is tried on both. Only if it falls without them and not with them did "
    "leaving them out do it. Evidence and model stay as they are."
)


class CleaningDialog(QDialog):
    """Stays open beside the window: nothing is trained before the budget was agreed to."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Check the cleaning")
        self._workspace = workspace
        self._phase = "plan"
        self.tags: dict[str, QCheckBox] = {}
        self.trigger, self.start = QComboBox(self), QComboBox(self)
        self.seconds, self.images = count_box("the usual time"), count_box()
        self.said = QLabel(self)
        self.bar = QProgressBar(self)
        self.measure = QPushButton("What would it take?", self)
        self.train = QPushButton("Train", self)
        self.cancel = QPushButton("Cancel", self)
        self.close_ = QPushButton("Close", self)
        self.kept = QComboBox(self)
        self.view = CleaningView(self)
        self._build()
        self.measure.clicked.connect(self._on_measure)
        self.train.clicked.connect(self._on_train)
        self.cancel.clicked.connect(workspace.cancel_job)
        self.close_.clicked.connect(self.close)
        self.kept.activated.connect(self._show_chosen)
        workspace.case_changed.connect(self._on_case)
        workspace.tags_changed.connect(self._fill_tags)
        workspace.kinds_changed.connect(self._fill_tags)
        workspace.table_changed.connect(self._on_table)
        workspace.job_event.connect(self._on_event)
        self._on_case()

    def _build(self) -> None:
        for title, name, tip in _STARTS:
            self.start.addItem(title, name)
            self.start.setItemData(self.start.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.seconds.setSuffix(" s")
        self.seconds.setToolTip("What both trainings together may take; 0 for the usual length")
        self.images.setRange(100, 50_000)
        self.images.setValue(2000)
        self.images.setToolTip("Random samples that are used; a fifth is held out to measure on")
        intro = QLabel(INTRO, self)
        for label in (intro, self.said):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.bar.setRange(0, _STEPS)
        self.bar.setFixedHeight(14)
        self.bar.setTextVisible(False)
        self.measure.setProperty("primary", True)
        self.train.setProperty("primary", True)
        self._tag_row = QHBoxLayout()
        self._tag_row.setSpacing(12)
        self._tag_row.addStretch(1)
        form = QGridLayout()
        form.setHorizontalSpacing(10)
        form.addWidget(QLabel("Leave out", self), 0, 0)
        form.addLayout(self._tag_row, 0, 1, 1, 3)
        fields = (("Trigger", self.trigger), ("Samples", self.images),
                  ("Train", self.start), ("At most", self.seconds))  # fmt: skip
        for at, (word, field) in enumerate(fields):
            form.addWidget(QLabel(word, self), 1 + at // 2, 2 * (at % 2))
            form.addWidget(field, 1 + at // 2, 2 * (at % 2) + 1)
        form.setColumnStretch(1, 3)
        form.setColumnStretch(3, 2)
        acts = QHBoxLayout()
        acts.addWidget(self.bar, 1)
        acts.addStretch(0)
        for button in (self.cancel, self.measure, self.train, self.close_):
            button.setAutoDefault(False)
            acts.addWidget(button)
        self._earlier = QLabel("Checks in this case", self)
        earlier = QHBoxLayout()
        earlier.addWidget(self._earlier)
        earlier.addWidget(self.kept, 1)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(intro)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addLayout(acts)
        column.addLayout(earlier)
        column.addWidget(self.view, 100)
        column.addStretch(1)

    def sizeHint(self) -> QSize:
        return QSize(700, 300 if self.view.isHidden() else 660)

    # ---- what can be asked ----------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._to("plan", "")
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
                box.toggled.connect(self._offer)
                self._tag_row.insertWidget(self._tag_row.count() - 1, box)
        for name, box in self.tags.items():
            box.setText(f"{plain(name, 30)} ({counts[name]:,})")
        self._offer()

    def _fill_triggers(self) -> None:
        case, chosen = self._workspace.case, self.trigger.currentData()
        self.trigger.clear()
        for found in [] if case is None else _pictured(case):
            self.trigger.addItem(*found)
        self.trigger.setCurrentIndex(max(0, self.trigger.findData(chosen)))
        self._offer()

    def _missing(self) -> str:
        """Say what stands in the way, or nothing."""
        case = self._workspace.case
        if case is None or case.read_only:
            return "The case is open for reading only." if case else "Open a case first."
        if not self.trigger.count():
            return (
                "There is no reconstructed trigger with a picture: search one in the Trigger lab."
            )
        counts = case.tags.counts()
        if not any(box.isChecked() and counts[name] for name, box in self.tags.items()):
            return "No sample carries a chosen tag: tag what should go, or tick another tag."
        if self._workspace.running not in (None, "map"):
            return f"The {plain(self._workspace.running or '', 40)} still runs."
        return ""

    def _offer(self, _: object = None) -> None:
        planning, missing = self._phase == "plan", self._missing()
        self.measure.setVisible(planning)
        self.measure.setEnabled(not missing)
        self.measure.setToolTip(missing)
        self.train.setVisible(self._phase == "asked")
        self.cancel.setVisible(not planning)
        self.bar.setVisible(self._phase in ("measuring", "training"))
        for widget in (self.trigger, self.start, self.seconds, self.images, *self.tags.values()):
            widget.setEnabled(planning)
        if planning and missing:
            self.said.setText(missing)
        elif planning and self.said.text() and self.said.property("missing"):
            self.said.clear()
        self.said.setProperty("missing", planning and bool(missing))

    def _to(self, phase: str, said: str) -> None:
        self._phase = phase
        self.said.setText(said)
        self.said.setProperty("missing", False)
        self.bar.setRange(0, 0 if phase == "measuring" else _STEPS)
        self._offer()

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
            start=self.start.currentData(),
            seconds=float(self.seconds.value()) or None,
            images=self.images.value(),
        )

    def _on_measure(self) -> None:
        try:
            plan = self.plan()
        except BadInput as error:
            self._to("plan", plain(str(error), 300))
            return
        if self._workspace.start_cleaning(plan):
            self._to("measuring", "Reading the samples and measuring one step of the training …")

    def _on_train(self) -> None:
        self._to("training", "Training …")
        self._workspace.answer_budget(True)

    def done(self, result: int) -> None:
        # Who closes the question has not agreed.
        if self._phase == "asked":
            self._workspace.answer_budget(False)
        super().done(result)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "budget" and event.get("job") == JOB:
            self._to("asked", f"{plain(budget_sentence(event['budget']), 800)} Train?")
            self.show()
        elif kind == "progress" and self._phase in ("measuring", "training"):
            self._progress(event)
        elif kind == "cleaned":
            self._fill_kept(str(event.get("key")))
        elif kind in ("done", "failed", "cancelled") and event.get("job") == JOB:
            words = [plain(event.get(part) or "", 300) for part in ("what", "why", "fix")]
            ended = {"done": "Checked; the result is kept in the case.", "cancelled": "Cancelled."}
            self._to("plan", ended.get(str(kind)) or " ".join(filter(None, words)))
        elif kind in ("done", "failed", "cancelled"):
            self._offer()

    def _progress(self, event: dict[str, Any]) -> None:
        done, total = event.get("done"), event.get("total")
        if isinstance(done, int) and isinstance(total, int) and total > 0:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(min(_STEPS, _STEPS * done // total))
        if self._phase == "training":
            left = event.get("seconds_left")
            more = f" {duration(left)} left for this one" if isinstance(left, int | float) else ""
            self.said.setText(f"{plain(event.get('stage') or 'Training', 80)} …{more}")

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
