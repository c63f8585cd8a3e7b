"""A grid of thumbnails that paints only the cells in sight, however many samples there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from inspector.gui import theme
from inspector.gui.lasso import mode_of
from inspector.gui.selection import Mode

_GAP = 8
_EDGE = 8
_INSET = 3
_MOVES = {
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
    Qt.Key.Key_Home: "home",
    Qt.Key.Key_End: "end",
    Qt.Key.Key_PageUp: "page up",
    Qt.Key.Key_PageDown: "page down",
}


@dataclass(frozen=True)
class Cell:
    """How one sample looks in the grid.

    Attributes
    ----------
    image : QImage or None
        The thumbnail; None while there is none.
    caption : str
        One line below it; elided to fit.
    border : str
        Colour of the border, empty for none.
    dashed : bool
        Proposed by the machine and not judged by a person.
    mark : str
        The key of the tag, shown beside the caption.
    """

    image: QImage | None
    caption: str
    border: str = ""
    dashed: bool = False
    mark: str = ""


class GalleryView(QAbstractScrollArea):
    """Shows rows in the given order; asks for a `Cell` only when it paints one.

    Parameters
    ----------
    cells : callable
        ``cells(rows)`` returns one `Cell` for each of these samples.

    Signals
    -------
    picked : int, str
        A sample was clicked or reached by key, with the selection mode.
    ranged : ndarray of int, str
        Shift was held: all samples between the anchor and the new one.
    opened : int
        A sample was double-clicked.
    hovered : int, QPoint
        Sample under the mouse (-1 for none) and the spot in the viewport.
    grown : float
        Ctrl and the wheel ask for thumbnails larger by this factor.
    """

    picked = Signal(int, str)
    ranged = Signal(object, str)
    opened = Signal(int)
    hovered = Signal(int, QPoint)
    grown = Signal(float)

    def __init__(
        self, cells: Callable[[NDArray[np.intp]], list[Cell]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._cells = cells
        self.rows: NDArray[np.intp] = np.empty(0, np.intp)
        self._selected = np.empty(0, bool)
        self._marks_selected = False
        self._current = -1
        self._anchor = -1
        self._side = 68
        self.painted = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(700, 230)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 60)

    # ---- what is shown --------------------------------------------------------------------------

    def set_rows(self, rows: NDArray[np.intp]) -> None:
        """Show other samples, from the top."""
        self.rows = rows
        self._anchor = -1
        self._look_who_is_selected()
        self._measure()
        self.verticalScrollBar().setValue(0)
        self.viewport().update()

    def set_selected(self, mask: NDArray[np.bool_]) -> None:
        """Show which samples are selected; mask over all samples of the case."""
        self._selected = mask
        self._look_who_is_selected()
        self.viewport().update()

    def _look_who_is_selected(self) -> None:
        # Where every sample in the grid is selected, marking them all would say nothing.
        covers = self._selected.size > int(self.rows.max(initial=-1))
        self._marks_selected = covers and not bool(self._selected[self.rows].all())

    def set_current(self, row: int, *, reveal: bool = False) -> None:
        """Frame one sample, and scroll to it if asked."""
        self._current = row
        at = self.position_of(row)
        if reveal and at >= 0:
            self._reveal(at)
        self.viewport().update()

    def set_side(self, side: int) -> None:
        """Show thumbnails this large, in logical pixels; what was on top stays in sight."""
        first = self._first_line() * self.columns
        self._side = side
        self._measure()
        self.verticalScrollBar().setValue(first // self.columns * self._step_y)
        self.viewport().update()

    def position_of(self, row: int) -> int:
        """Return the place of a sample in the grid, -1 when it is not there."""
        at = np.flatnonzero(self.rows == row)
        return int(at[0]) if at.size else -1

    # ---- geometry -------------------------------------------------------------------------------

    @property
    def columns(self) -> int:
        """Cells side by side."""
        return max(1, (self.viewport().width() - 2 * _EDGE + _GAP) // (self._side + _GAP))

    def _caption_font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.86))
        return font

    @property
    def _step_y(self) -> int:
        return self._side + QFontMetrics(self._caption_font()).height() + _GAP + 3

    def _first_line(self) -> int:
        return self.verticalScrollBar().value() // self._step_y

    def _measure(self) -> None:
        lines = -(-self.rows.size // self.columns)
        height = lines * self._step_y + 2 * _EDGE - _GAP
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(max(1, self._step_y // 2))

    def cell_rect(self, at: int) -> QRect:
        """Return where the thumbnail at a place of the grid lies in the viewport."""
        line, column = divmod(at, self.columns)
        x = _EDGE + column * (self._side + _GAP)
        y = _EDGE + line * self._step_y - self.verticalScrollBar().value()
        return QRect(x, y, self._side, self._side)

    def place_at(self, spot: QPoint) -> int:
        """Return the place of the grid under a spot of the viewport, -1 for none."""
        column, x = divmod(spot.x() - _EDGE, self._side + _GAP)
        line, y = divmod(spot.y() - _EDGE + self.verticalScrollBar().value(), self._step_y)
        at = int(line * self.columns + column)
        inside = 0 <= column < self.columns and x < self._side and y < self._step_y - _GAP
        return at if inside and 0 <= at < self.rows.size else -1

    def _reveal(self, at: int) -> None:
        bar = self.verticalScrollBar()
        top = at // self.columns * self._step_y
        if top < bar.value():
            bar.setValue(top)
        elif top + self._step_y + _EDGE > bar.value() + self.viewport().height():
            bar.setValue(top + self._step_y + _EDGE - self.viewport().height())

    # ---- painting -------------------------------------------------------------------------------

    def visible_places(self) -> tuple[int, int]:
        """Return the first place in sight and the one after the last."""
        first = self._first_line() * self.columns
        bottom = self.verticalScrollBar().value() + self.viewport().height()
        last = (bottom // self._step_y + 1) * self.columns
        return min(first, self.rows.size), min(last, self.rows.size)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), QColor(theme.SURFACE))
        first, last = self.visible_places()
        places = [k for k in range(first, last) if self._touches(k, event.rect())]
        self.painted = len(places)
        if not places:
            return
        painter.setFont(self._caption_font())
        cells = self._cells(self.rows[places])
        for at, cell in zip(places, cells):
            self._paint_cell(painter, at, cell)

    def _touches(self, at: int, area: QRect) -> bool:
        box = self.cell_rect(at).adjusted(-4, -4, 4, self._step_y - self._side)
        return box.intersects(area)

    def _paint_cell(self, painter: QPainter, at: int, cell: Cell) -> None:
        row = int(self.rows[at])
        box = self.cell_rect(at)
        chosen = self._marks_selected and bool(self._selected[row])
        if chosen:
            painter.fillRect(
                box.adjusted(-3, -3, 3, self._step_y - self._side - 4),
                QColor(theme.shade("#24466f")),
            )
        inner = box.adjusted(_INSET, _INSET, -_INSET, -_INSET)
        if cell.image is None:
            painter.fillRect(inner, QColor(theme.RAISED))
        else:
            painter.setRenderHint(
                QPainter.RenderHint.SmoothPixmapTransform, cell.image.width() > inner.width()
            )
            painter.drawImage(_fitted(inner, cell.image.size()), cell.image)
        if cell.border:
            line = Qt.PenStyle.CustomDashLine if cell.dashed else Qt.PenStyle.SolidLine
            pen = QPen(QColor(cell.border), 2, line)
            if cell.dashed:
                pen.setDashPattern([3, 2])
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(1, 1, -1, -1))
        if row == self._current:
            painter.setPen(QPen(QColor(theme.FOCUS), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(-2, -2, 2, 2))
        self._paint_caption(painter, box, cell, QColor(theme.TEXT if chosen else theme.MUTED))

    def _paint_caption(self, painter: QPainter, box: QRect, cell: Cell, colour: QColor) -> None:
        # The tag's key stands here and not on the picture, where it could cover a trigger.
        metrics = painter.fontMetrics()
        line = QRect(box.left() - 3, box.bottom() + 4, box.width() + 6, metrics.height())
        if cell.mark:
            chip = QRect(line.left() + 2, line.top(), metrics.height() - 1, metrics.height() - 1)
            painter.fillRect(chip, QColor(cell.border or theme.RAISED))
            painter.setPen(QColor("#101216"))
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, cell.mark)
            line.setLeft(chip.right() + 3)
        painter.setPen(colour)
        painter.drawText(
            line,
            Qt.AlignmentFlag.AlignCenter,
            metrics.elidedText(cell.caption, Qt.TextElideMode.ElideRight, line.width()),
        )

    # ---- gestures -------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._measure()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = self.place_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and at >= 0:
            self._go(at, event.modifiers())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        at = self.place_at(event.position().toPoint())
        if at >= 0:
            self.opened.emit(int(self.rows[at]))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        spot = event.position().toPoint()
        at = self.place_at(spot)
        self.hovered.emit(int(self.rows[at]) if at >= 0 else -1, spot)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.grown.emit(1.0015 ** event.angleDelta().y())
        else:
            super().wheelEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(-1, QPoint())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = _MOVES.get(Qt.Key(event.key()))
        if move is None or not self.rows.size:
            super().keyPressEvent(event)
            return
        at = self.position_of(self._current)
        lines = max(1, self.viewport().height() // self._step_y)
        step = {
            "left": -1,
            "right": 1,
            "up": -self.columns,
            "down": self.columns,
            "page up": -self.columns * lines,
            "page down": self.columns * lines,
            "home": -self.rows.size,
            "end": self.rows.size,
        }[move]
        to = 0 if at < 0 else min(max(at + step, 0), self.rows.size - 1)
        if move in ("up", "down") and not 0 <= at + step < self.rows.size and at >= 0:
            to = at
        self._reveal(to)
        self._go(to, event.modifiers() & Qt.KeyboardModifier.ShiftModifier)

    def _go(self, at: int, modifiers: Qt.KeyboardModifier) -> None:
        row = int(self.rows[at])
        if modifiers & Qt.KeyboardModifier.ShiftModifier and self._anchor >= 0:
            low, high = sorted((self._anchor, at))
            self.ranged.emit(self.rows[low : high + 1], "new")
            self.picked.emit(row, "")
            return
        self._anchor = at
        # Ctrl means "this one too" in a list, as everywhere else on the desktop.
        mode: Mode = mode_of(modifiers)
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            chosen = row < self._selected.size and bool(self._selected[row])
            mode = "remove" if chosen else "add"
        self.picked.emit(row, mode)


def _fitted(box: QRect, size: QSize) -> QRect:
    """Return the largest rectangle of these proportions in the middle of the box."""
    scaled = size.scaled(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
    answer = QRect(QPoint(0, 0), scaled)
    answer.moveCenter(box.center())
    return answer
