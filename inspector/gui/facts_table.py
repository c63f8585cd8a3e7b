"""Facts of a sample in two columns of plain text that can be copied."""

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
    """Names on the left, what they say on the right; long lines wrap."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(0, 2, parent)
        self.horizontalHeader().setVisible(False)
        self.verticalHeader().setVisible(False)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
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

    def show_facts(self, facts: list[Fact]) -> None:
        """Show these lines."""
        self.setRowCount(len(facts))
        muted = self.palette().placeholderText()
        for at, fact in enumerate(facts):
            name, text = QTableWidgetItem(fact.name), QTableWidgetItem(fact.text)
            name.setForeground(muted)
            if fact.tip:
                text.setToolTip(tooltip(fact.tip))
            self.setItem(at, 0, name)
            self.setItem(at, 1, text)
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
            cells = [(self.item(row, 0), self.item(row, 1)) for row in rows]
            lines = [f"{name.text()}\t{text.text()}" for name, text in cells if name and text]
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
