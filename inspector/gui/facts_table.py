"""Facts of a sample, perhaps beside those of another, as plain text that can be copied."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from inspector.gui.array_table import Index, tooltip
from inspector.gui.sample_facts import Fact


class FactsTable(QTableWidget):
    """Names on the left, what they say on the right; long lines wrap.

    A third column holds what the same facts say of a pinned sample.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(0, 2, parent)
        self.horizontalHeader().setVisible(False)
        self.verticalHeader().setVisible(False)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(20)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMinimumSectionSize(self.fontMetrics().height() + 5)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumHeight(60)
        self.setItemDelegate(_Roomy(self))

    def show_facts(self, facts: list[Fact], pinned: list[Fact] | None = None) -> None:
        """Show these lines, and beside them what ``pinned`` says under the same names."""
        self.setRowCount(len(facts))
        self.setColumnCount(2 if pinned is None else 3)
        beside = {fact.name: fact for fact in pinned or ()}
        if pinned is not None:
            self.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        muted = self.palette().placeholderText()
        for at, fact in enumerate(facts):
            name, text = QTableWidgetItem(fact.name), QTableWidgetItem(fact.text)
            name.setForeground(muted)
            if fact.tip:
                text.setToolTip(tooltip(fact.tip))
            self.setItem(at, 0, name)
            self.setItem(at, 1, text)
            if pinned is not None:
                other = beside.get(fact.name, Fact(fact.name, "–"))
                text = QTableWidgetItem(other.text)
                text.setForeground(muted)
                text.setToolTip(tooltip("Of the pinned sample", other.tip))
                self.setItem(at, 2, text)
        self.resizeRowsToContents()

    def resizeEvent(self, event: QResizeEvent) -> None:
        # Also when the scroll bar comes and takes its width: lines then wrap elsewhere.
        super().resizeEvent(event)
        self.resizeRowsToContents()

    def text_of(self, name: str) -> str:
        """Return what a line says, empty when there is none of this name."""
        for at in range(self.rowCount()):
            first, second = self.item(at, 0), self.item(at, 1)
            if first is not None and second is not None and first.text() == name:
                return second.text()
        return ""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            rows = sorted({index.row() for index in self.selectedIndexes()}) or range(
                self.rowCount()
            )
            columns = range(self.columnCount())
            cells = [[self.item(row, column) for column in columns] for row in rows]
            lines = ["\t".join(cell.text() for cell in line if cell) for line in cells]
            QGuiApplication.clipboard().setText("\n".join(lines))
        elif event.text() and event.text().isprintable():
            event.ignore()
        else:
            super().keyPressEvent(event)


class _Roomy(QStyledItemDelegate):
    """Lines with a little air between them."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        hint = super().sizeHint(option, index)
        return QSize(hint.width(), hint.height() + 6)
