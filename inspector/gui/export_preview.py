"""What an export would take along, by class or by cluster, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QRadioButton, QVBoxLayout, QWidget

from inspector.gui import theme
from inspector.gui.array_table import ArrayColumn, ArrayTable, count, number
from inspector.gui.plain import plain


class ExportPreview(QWidget):
    """A table of classes or clusters, and one sentence on good samples that would be lost."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document: Mapping[str, Any] | None = None
        self.table = ArrayTable(self)
        self.by_class = QRadioButton("by class", self)
        self.by_cluster = QRadioButton("by cluster", self)
        self.sentence = QLabel(self)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        group = QButtonGroup(self)
        row = QHBoxLayout()
        row.addWidget(QLabel("What would go", self))
        for button in (self.by_class, self.by_cluster):
            group.addButton(button)
            row.addWidget(button)
            button.toggled.connect(self._fill)
        row.addStretch(1)
        self.by_class.setChecked(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        column.addWidget(self.sentence)

    def show_preview(self, document: Mapping[str, Any] | None) -> None:
        """Show what `inspector.export.collateral_preview` returned; None clears."""
        self._document = document
        there = bool(document and document["clusters"])
        self.by_cluster.setEnabled(there)
        self.by_cluster.setToolTip(
            "The two parts into which activation clustering splits each class; “outer” is the part "
            "that it sets apart."
            if there
            else "Activation clustering has not run on this case."
        )
        if not there:
            self.by_class.setChecked(True)
        self._fill()

    def _fill(self, _: object = None) -> None:
        document = self._document
        if document is None:
            self.table.fill([])
            self.sentence.setText("")
            return
        clusters = self.by_cluster.isChecked()
        self.table.fill(_clusters(document) if clusters else _classes(document))
        said = (document["false_removals"]["sentence"], *document["notes"])
        self.sentence.setText(" ".join(plain(line, 400) for line in said))


def _classes(document: Mapping[str, Any]) -> list[ArrayColumn]:
    rows = document["classes"]
    alarmed = [
        theme.VERDICT_COLOURS["medium"] if row["before"] and not row["after"] else ""
        for row in rows
    ]
    before, removed, after = (_numbers(rows, key) for key in ("before", "removed", "after"))
    with np.errstate(invalid="ignore", divide="ignore"):
        gone = np.where(before > 0, 100.0 * removed / before, np.nan)
    estimates = [row["estimated_false"] if row["removed"] else None for row in rows]
    return [
        ArrayColumn("class", [plain(row["name"], 80) for row in rows], colours=alarmed),
        ArrayColumn("before", before, count),
        ArrayColumn("left out", removed, count),
        ArrayColumn("after", after, count, colours=alarmed),
        ArrayColumn("% left out", gone, number(".1f")),
        ArrayColumn(
            "% before",
            100 * np.array([row["share_before"] for row in rows], float),
            number(".1f"),
            tip="Share of the dataset before",
        ),
        ArrayColumn(
            "% after",
            100 * np.array([row["share_after"] for row in rows], float),
            number(".1f"),
            tip="Share of the dataset after",
        ),
        ArrayColumn(
            "good, about",
            np.array([np.nan if value is None else value for value in estimates], float),
            number(".1f"),
            tip="Estimated number of good samples among those left out; needs an audit",
        ),
    ]


def _clusters(document: Mapping[str, Any]) -> list[ArrayColumn]:
    rows = document["clusters"]
    return [
        ArrayColumn("class", [plain(row["class_name"], 80) for row in rows]),
        ArrayColumn("part", [str(row["cluster"]) for row in rows]),
        ArrayColumn("before", _numbers(rows, "before"), count),
        ArrayColumn("left out", _numbers(rows, "removed"), count),
        ArrayColumn("after", _numbers(rows, "after"), count),
    ]


def _numbers(rows: list[dict[str, Any]], key: str) -> Any:
    return np.array([row[key] for row in rows], np.int64)
