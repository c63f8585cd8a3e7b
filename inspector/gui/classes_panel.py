"""One row per class: what all detectors together say of it, and what the analyst has tagged."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit, QSplitter, QWidget

from inspector.case import Case, scan_document, verdict_sentence
from inspector.gui import theme
from inspector.gui.array_table import ArrayColumn, ArrayTable, count, number
from inspector.gui.drill_dialog import drills_of
from inspector.gui.drill_grid import FOUND, IDLE, outcome_of, tally
from inspector.gui.empty_page import EmptyOr
from inspector.gui.plain import plain
from inspector.gui.selection import Mode
from inspector.gui.trigger_results import as_number
from inspector.gui.turns import soon
from inspector.gui.when_shown import WhenShown
from inspector.gui.workspace import Workspace

ORIGIN = "classes"
NOT_ASSESSED = "not assessed"
VERDICT_TIPS = {
    "none": "Nothing stood out in what was measured; an attack without a trace there looks alike.",
    "low": "Slightly out of line with the other classes; often a natural sub-population.",
    "medium": "Clearly out of line. Look at the samples that rank first.",
    "high": "Out of line beyond the error rate that the audit calibrated.",
}


class ClassesPanel(WhenShown):
    """A click selects a class as far as it is visible; Shift adds, Alt removes, Ctrl intersects."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._stale = True
        self._outcome: dict[str, Any] = {}
        self._findings: dict[str, dict[str, Any]] = {}
        self._drills: list[dict[str, Any]] = []
        self.table = ArrayTable(self)
        # The first row is the class to look at first; with 43 classes it would not be seen.
        self.table.sort_by("statistic", True)
        self.said = QPlainTextEdit(self)
        self.said.setReadOnly(True)
        self.said.setMinimumWidth(150)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.table)
        split.addWidget(self.said)
        split.setSizes([680, 330])
        split.setStretchFactor(0, 1)
        split.setChildrenCollapsible(False)
        self.stack = EmptyOr(self, split)
        self.table.picked.connect(self._on_picked)
        workspace.case_changed.connect(self._on_findings)
        workspace.table_changed.connect(self._on_table)
        workspace.tags_changed.connect(self._later)
        workspace.selection_changed.connect(self._later)
        workspace.visible_changed.connect(self._later)
        self._on_findings()

    def _on_findings(self, _: object = None) -> None:
        """Read what the detectors concluded; the selection changes far more often than that."""
        case = self._workspace.case
        self._outcome, self._findings, self._drills = {}, {}, []
        if case is not None:
            document = scan_document(case)
            self._outcome = {**document, "classes": (case.get("outcome") or {}).get("classes", [])}
            self._findings = case.findings()
            self._drills = drills_of(case)
            caveats = [plain(text, 1000) for text in self._outcome["caveats"]]
            verdict = plain(verdict_sentence(self._outcome), 1000)
            self.said.setPlainText("\n\n".join([verdict, *caveats]))
        self._later()

    def refresh(self) -> None:
        """Count tags and selection anew."""
        self._stale = False
        case, table = self._workspace.case, self._workspace.table
        if case is None or table is None:
            self.stack.show_empty(
                "No classes yet",
                "Reading a dataset fills this in seconds; an analysis adds the verdicts.",
            )
            return
        self.stack.show_content()
        self.table.fill(self._columns(case))

    def _columns(self, case: Case) -> list[ArrayColumn]:
        workspace, names = self._workspace, case.class_names
        assert workspace.table is not None
        labels = workspace.table.columns["label"]
        shown = workspace.visible

        def per_class(mask: Any) -> Any:
            kept = labels if mask is None else labels[mask]
            return np.bincount(kept[(kept >= 0) & (kept < len(names))], minlength=len(names))

        said = {row["index"]: row for row in self._outcome["classes"] if _names_class(row, names)}
        statistic = np.array(
            [as_number(said.get(i, {}).get("statistic")) for i in range(len(names))]
        )
        p_value = np.array([as_number(said.get(i, {}).get("p_value")) for i in range(len(names))])
        verdicts = [
            str(said[i].get("verdict", "none")) if i in said else NOT_ASSESSED
            for i in range(len(names))
        ]
        columns = [
            ArrayColumn("class", [plain(name, 80) for name in names]),
            ArrayColumn("samples", per_class(None), count, "Samples with this label"),
        ]
        # What is asked first stands first: on a small screen the rest is scrolled to.
        columns += [
            ArrayColumn("statistic", statistic, number(), "Higher = more suspicious"),
            ArrayColumn("p", p_value, number(".2g"), "Calibrated by an audit; a dash without one"),
            ArrayColumn(
                "verdict",
                [plain(verdict, 20) for verdict in verdicts],
                tip="none, low, medium or high; never a promise",
                colours=[theme.VERDICT_COLOURS.get(verdict, theme.MUTED) for verdict in verdicts],
                tips=[
                    VERDICT_TIPS.get(verdict, "No detector has looked at it.")
                    for verdict in verdicts
                ],
            ),
        ]
        if shown is not None:
            columns.append(
                ArrayColumn("visible", per_class(shown), count, "Those that the filter shows")
            )
        mask = workspace.selection.mask
        columns += [
            ArrayColumn("selected", per_class(mask) if mask.size else per_class(None) * 0, count),
            ArrayColumn("tagged", per_class(workspace.tag_code >= 0), count, "With any tag"),
        ]
        if self._drills:
            columns.append(self._drilled(len(names)))
        for detector, finding in self._findings.items():
            rows = {r["index"]: r for r in finding.get("classes") or [] if _names_class(r, names)}
            if rows:
                values = [as_number(rows.get(i, {}).get("statistic")) for i in range(len(names))]
                tip = f"Statistic of {plain(finding.get('title', detector), 60)}"
                columns.append(ArrayColumn(plain(detector, 40), np.array(values), number(), tip))
        return columns

    def _drilled(self, classes: int) -> ArrayColumn:
        """Return how many attacks that were planted in each class and work were found."""
        said, tips = [""] * classes, [""] * classes
        for at in {drill["target"] for drill in self._drills} & set(range(classes)):
            mine = [drill for drill in self._drills if drill["target"] == at]
            words = [outcome_of(drill) for drill in mine]
            said[at] = f"{words.count(FOUND)} of {len(words) - words.count(IDLE)}"
            tips[at] = tally(mine)
        tip = "Attacks planted in copies that work, and how many of them a scan would have found"
        return ArrayColumn("drills", said, tip=tip, tips=tips)

    def select_class(self, index: int, mode: Mode = "new") -> None:
        """Select the visible samples with a label."""
        workspace = self._workspace
        if workspace.table is None:
            return
        mask = workspace.table.columns["label"] == index
        if workspace.visible is not None:
            mask &= workspace.visible
        # The most suspicious of the class is the one to look at first.
        first = workspace.ranked(mask)
        anchor = int(first[0]) if first.size else None
        workspace.select(mask, mode, ORIGIN, anchor)

    def _on_picked(self, index: int, held: Qt.KeyboardModifier) -> None:
        self.select_class(index, mode_of(held))

    def _on_table(self, _: object = None) -> None:
        soon(self, self._on_findings)


def mode_of(held: Qt.KeyboardModifier) -> Mode:
    """Return how a click goes with the former selection, by the keys that are held."""
    if held & Qt.KeyboardModifier.ShiftModifier:
        return "add"
    if held & Qt.KeyboardModifier.AltModifier:
        return "remove"
    return "intersect" if held & Qt.KeyboardModifier.ControlModifier else "new"


def _names_class(row: Any, names: tuple[str, ...]) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("index"), int)
        and 0 <= row["index"] < len(names)
    )
