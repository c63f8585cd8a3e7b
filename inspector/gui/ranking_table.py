"""The table of the ranking: selects samples, however many, without Qt's own sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from inspector.gui.ranking_model import Index, RankingModel
from inspector.gui.selection import Mode
from inspector.gui.workspace import Workspace

ORIGIN = "ranking"
_MOVES = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
)


class RankingTable(QTableView):
    """Rows light up by the mask of the workspace's selection.

    Qt keeps a selection as ranges: thirty thousand scattered rows take it minutes. Here a row is
    selected when its sample is, which costs one look into an array when the row is painted.

    Signals
    -------
    gesture : ndarray of int, str, int
        Samples, how they go with the former selection, and the one that was clicked.
    """

    gesture = Signal(object, str, int)

    def __init__(
        self, workspace: Workspace, model: RankingModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._model = model
        self._pressed = -1
        self._span: tuple[int, int] | None = None
        self.setModel(model)
        self.setItemDelegate(_Delegate(workspace, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 7)
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.setSectionsMovable(True)
        header.setHighlightSections(False)
        header.setSortIndicatorShown(True)
        header.setMinimumSectionSize(36)

    def is_lit(self, row: int) -> bool:
        """Tell whether a row is drawn as selected, also while the mouse still drags."""
        if self._span is not None and min(self._span) <= row <= max(self._span):
            return True
        sample = self._model.sample_at(row)
        mask = self._workspace.selection.mask
        return 0 <= sample < mask.size and bool(mask[sample])

    def set_current_row(self, row: int) -> None:
        """Let the arrow keys go on from a row, without scrolling to it."""
        column = max(self.currentIndex().column(), 0)
        auto, bar = self.hasAutoScroll(), self.verticalScrollBar().value()
        self.setAutoScroll(False)
        flag = QItemSelectionModel.SelectionFlag.NoUpdate
        self.selectionModel().setCurrentIndex(self._model.index(row, column), flag)
        self.setAutoScroll(auto)
        self.verticalScrollBar().setValue(bar)

    def copy(self) -> None:
        """Put the selected rows on the clipboard, as text with tabs, in the order shown."""
        mask = self._workspace.selection.mask
        model = self._model
        rows = model.rows[mask[model.rows]] if mask.size else model.rows[:0]
        columns = [c for at, c in enumerate(model.columns) if not self.isColumnHidden(at)]
        lines = ["\t".join(column.title for column in columns)]
        lines += ["\t".join(model.text(int(row), column) for column in columns) for row in rows]
        QGuiApplication.clipboard().setText("\n".join(lines))

    # ---- gestures -------------------------------------------------------------------------------

    def selectionCommand(
        self, index: Index, event: object = None
    ) -> QItemSelectionModel.SelectionFlag:
        return QItemSelectionModel.SelectionFlag.NoUpdate

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self.rowAt(int(event.position().y()))
        if event.button() != Qt.MouseButton.LeftButton or row < 0:
            super().mousePressEvent(event)
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        held = event.modifiers()
        if held & Qt.KeyboardModifier.ControlModifier:
            self._pressed = -1
            mode: Mode = "remove" if self.is_lit(row) else "add"
            self._go(row)
            self._send(row, row, mode, row)
        elif held & Qt.KeyboardModifier.ShiftModifier:
            self._pressed = -1
            self._extend(row)
        else:
            self._pressed = row
            self._span = (row, row)
            self._go(row)
            self.viewport().update()
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed < 0:
            super().mouseMoveEvent(event)
            return
        y = int(event.position().y())
        bar = self.verticalScrollBar()
        if y < 0 or y >= self.viewport().height():
            bar.setValue(bar.value() + (-1 if y < 0 else 1))
        row = self.rowAt(min(max(y, 0), self.viewport().height() - 1))
        if row >= 0 and self._span != (self._pressed, row):
            self._span = (self._pressed, row)
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        span, self._span, self._pressed = self._span, None, -1
        if span is None:
            super().mouseReleaseEvent(event)
            return
        # One change per gesture: the other panels hear of a drag when it ends.
        self._send(min(span), max(span), "new", span[0])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        if event.key() not in _MOVES:
            # Letters and digits belong to the window's own keys, not to Qt's search by typing.
            event.ignore()
            return
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        row = self.currentIndex().row()
        if row < 0 or row == before:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._extend(row)
        else:
            self._send(row, row, "new", row)

    def _extend(self, row: int) -> None:
        anchor = self._model.place_of(self._workspace.selection.anchor)
        start = anchor if anchor >= 0 else row
        self._go(row)
        self._send(min(start, row), max(start, row), "new", start)

    def _go(self, row: int) -> None:
        self.set_current_row(row)
        self.scrollTo(self.currentIndex())

    def _send(self, first: int, last: int, mode: Mode, anchor: int) -> None:
        samples: NDArray[np.intp] = self._model.rows[first : last + 1]
        self.gesture.emit(samples, mode, self._model.sample_at(anchor))


class _Delegate(QStyledItemDelegate):
    """Paints selected rows as the style does, and a bar before the sample that is looked at."""

    def __init__(self, workspace: Workspace, table: RankingTable) -> None:
        super().__init__(table)
        self._workspace = workspace
        self._table = table

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus
        if self._table.is_lit(index.row()):
            option.state |= QStyle.StateFlag.State_Selected

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        model = index.model()
        if index.column() == 0 and isinstance(model, RankingModel):
            current = self._workspace.current
            if current >= 0 and model.sample_at(index.row()) == current:
                bar = option.rect.adjusted(0, 1, 0, -1)
                bar.setWidth(3)
                painter.fillRect(bar, option.palette.brightText())
