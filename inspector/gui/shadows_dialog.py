"""*Detectors ▸ Compare with shadow networks…*: train clean look-alikes, judge classes beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from inspector.case import trigger_document
from inspector.case.shadow_document import (
    ENOUGH,
    HOLDS,
    MOST,
    compared_rows,
    compared_sentence,
    network_sentence,
    shadow_budget_sentence,
    trained_sentence,
)
from inspector.gui.budget_dialog import PLAN, BudgetDialog
from inspector.gui.number_box import count_box
from inspector.gui.plain import plain
from inspector.gui.trigger_methods import METHODS
from inspector.gui.workspace import Workspace

_USUAL, _UNSCREENED = "Neural Cleanse after both screens", "Neural Cleanse"
_FEW = f"Fewer than {ENOUGH} decide nothing: classes are judged by one another, as without any."


class ShadowsDialog(BudgetDialog):
    """Search every class, and the same classes of networks that were trained without a backdoor."""

    JOB, TITLE, GO = "trigger", "Compare with shadow networks", "Train and search"
    INTRO = (
        "Classes differ in every network: some are easy to draw. Clean look-alikes of the model are "
        "trained on samples that look clean (or on the trusted reference) and searched like it; a "
        "class stands out that deviates more than any class of nearly all of them. Tag known poison "
        "first: it is left out."
    )
    MEASURES = "Reading the samples and measuring one step of the training …"
    RUNS = "Searching …"
    DONE = "Compared; the result is kept in the case."
    CANCELLED = "Cancelled; networks that were trained are kept for the same search."

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(workspace, parent)
        self.method = QComboBox(self)
        self.count, self.images = count_box(), count_box()
        self.each = QCheckBox("From each source class", self)
        self.few, self.found = QLabel(self), QLabel(self)
        self._build()
        self.count.valueChanged.connect(self._on_count)
        self.each.toggled.connect(self._on_each)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        self._on_case()

    def _build(self) -> None:
        self.wrapped(self.few, self.found)
        self.found.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.method.addItem(_USUAL, "")
        for title, name, what in METHODS:
            self.method.addItem(f"{title} alone", name)
            self.method.setItemData(self.method.count() - 1, what, Qt.ItemDataRole.ToolTipRole)
        self.count.setRange(1, MOST)
        self.count.setValue(ENOUGH)
        self.count.setToolTip(_FEW)
        self.images.setRange(200, 50_000)
        self.images.setValue(4000)
        self.images.setToolTip("Samples to train on at most, drawn at random")
        form = QGridLayout()
        form.setHorizontalSpacing(10)
        form.addWidget(QLabel("Search", self), 0, 0)
        form.addWidget(self.method, 0, 1, 1, 3)
        for at, (word, field) in enumerate((("Networks", self.count), ("Samples", self.images))):
            form.addWidget(QLabel(word, self), 1, 2 * at)
            form.addWidget(field, 1, 2 * at + 1)
        self.each.setToolTip(
            "For backdoors that spare all classes but one; takes as many times as long as there are "
            "classes, and goes without the screens"
        )
        form.addWidget(self.each, 2, 1, 1, 3)
        form.setColumnStretch(1, 1)
        form.setColumnStretch(3, 1)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(self.intro)
        column.addLayout(form)
        column.addWidget(self.few)
        column.addWidget(self.said)
        column.addLayout(self.acts)
        column.addWidget(self.found)
        column.addStretch(1)
        self.few.setText(_FEW)
        self._on_count()

    def sizeHint(self) -> QSize:
        wanted = column.totalHeightForWidth(640) if (column := self.layout()) else 0
        return QSize(640, max(wanted, 260))

    # ---- what a question says of itself ---------------------------------------------------------

    def lacking(self) -> str:
        """Say what has to come first."""
        case = self._workspace.case
        return (
            "" if case and case.get("model") else "There is no model to search yet: analyse first."
        )

    def start(self) -> bool:
        """Measure, and then ask."""
        case = self._workspace.case
        model = None if case is None else case.get("model")
        settings: dict[str, Any] = {
            "shadows": self.count.value(),
            "shadow_images": self.images.value(),
        }
        if self.method.currentData():
            settings["methods"] = [self.method.currentData()]
        if self.each.isChecked():
            settings["source"] = "each"
        classes = range(int(model["num_classes"])) if model else ()
        return self._workspace.start_trigger(list(classes), **settings)

    def budget_sentence(self, budget: Mapping[str, Any]) -> str:
        """Say what training and searching will take."""
        return shadow_budget_sentence(budget)

    def outcome(self) -> str:
        """Say whether all networks were compared with, or how many before the end was wanted."""
        case = self._workspace.case
        summary = None if case is None else case.get("trigger_summary")
        said = summary.get("said") if isinstance(summary, Mapping) else ""
        return plain(said, 500) if said else self.DONE

    def fields(self) -> Iterable[QWidget]:
        """Return the choices of the plan."""
        return (self.method, self.count, self.images, self.each)

    # ---- what was found -------------------------------------------------------------------------

    def _on_count(self, _: object = None) -> None:
        self.few.setVisible(self.count.value() < ENOUGH)

    def _on_each(self, each: bool) -> None:
        self.method.setItemText(0, _UNSCREENED if each else _USUAL)

    def _on_case(self, _: object = None) -> None:
        self.begin_planning()
        self._tell()

    def _on_table(self, names: object) -> None:
        if self.phase == PLAN:
            self.offer()
        if isinstance(names, set) and "triggers" in names:
            self._tell()

    def _tell(self) -> None:
        """Say what the case knows of a comparison."""
        case = self._workspace.case
        lines = [] if case is None else comparison_lines(trigger_document(case))
        self.found.setText("\n\n".join(lines))
        self.found.setVisible(bool(self.found.text()))
        self.resize(self.size().expandedTo(self.sizeHint()))


def comparison_lines(document: Mapping[str, Any], method: str | None = None) -> list[str]:
    """Say what a trigger document knows of shadow networks, safe to show; nothing without any.

    Parameters
    ----------
    document : mapping
        From `trigger_document`.
    method : str, optional
        This search alone.
    """
    compared = compared_rows(document["classes"])
    chosen = {name: rows for name, rows in compared.items() if method in (None, name)}
    if not chosen:
        return []
    said = [
        compared_sentence(rows) if method else f"{name}: {compared_sentence(rows)}"
        for name, rows in chosen.items()
    ]
    networks = document.get("shadows")
    if networks:
        if whole := network_sentence(networks):
            said.insert(0, whole)
        said.append(trained_sentence(networks))
    return [plain(line, 700) for line in (*said, HOLDS)]
