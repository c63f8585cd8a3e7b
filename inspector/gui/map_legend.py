"""What the colours mean, written over the map: classes with counts, or a scale of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.lasso import mode_of
from inspector.gui.map_colours import Colouring, Entry

_PAD = 8
_DOT = 9
_MOST = 14
_WIDTH = 208


class MapLegend(QWidget):
    """Lies over the canvas; clicking a line selects what it stands for.

    Signals
    -------
    chosen : int, str
        Code of a category, and the selection mode by the modifiers.
    """

    chosen = Signal(int, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._colouring: Colouring | None = None
        self._lines: list[tuple[Entry, str]] = []
        self._more = 0
        self._room = 10_000
        self.setToolTip("Click a line to select it; Shift adds, Alt removes, Ctrl keeps common.")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._table = theme.heat_table()

    def explain(
        self,
        colouring: Colouring | None,
        shown: NDArray[np.bool_] | None,
        selected: NDArray[np.bool_] | None,
    ) -> None:
        """Say what the colours mean.

        Parameters
        ----------
        colouring : Colouring or None
            None hides the legend.
        shown : ndarray of bool, shape (n,), or None
            What the filter lets through; counts are of these.
        selected : ndarray of bool, shape (n,), or None
            When given, each line says how many of its samples are selected.
        """
        self._colouring = colouring
        self._lines, self._more = [], 0
        if colouring is None:
            self.hide()
            return
        if colouring.entries:
            counted = _counts(colouring, shown)
            chosen = None if selected is None else _counts(colouring, selected)
            rows = [
                (
                    entry,
                    f"{counted[k]:,}" if chosen is None else f"{chosen[k]:,} / {counted[k]:,}",
                    k,
                )
                for k, entry in enumerate(colouring.entries)
            ]
            most = min(_MOST, (self._room - 2 * _PAD) // self._line - 2)
            if len(rows) > most + 1:
                weight = counted if chosen is None else chosen
                rows.sort(key=lambda row: -weight[row[2]])
                self._more = len(rows) - max(0, most)
                rows = rows[: max(0, most)]
            self._lines = [(entry, text) for entry, text, _ in rows]
        self.resize(self.sizeHint())
        self.show()
        self.update()

    def set_room(self, height: int) -> None:
        """Say how high the legend may be; it takes effect with the next `explain`."""
        self._room = height

    @property
    def _line(self) -> int:
        return self.fontMetrics().height() + 2

    def sizeHint(self) -> QSize:
        line = self._line
        if self._colouring is not None and not self._colouring.entries:
            return QSize(_WIDTH, 2 * line + 12 + 2 * _PAD)
        count = 1 + len(self._lines) + (1 if self._more else 0)
        return QSize(_WIDTH, count * line + 2 * _PAD)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._colouring is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.veil("#1a1d23", 216))
        painter.drawRoundedRect(self.rect(), 6, 6)
        metrics = painter.fontMetrics()
        step = self._line
        width = self.width() - 2 * _PAD
        painter.setPen(QColor(theme.MUTED))
        title = metrics.elidedText(self._colouring.title, Qt.TextElideMode.ElideRight, width)
        painter.drawText(_PAD, _PAD + metrics.ascent(), title)
        if not self._colouring.entries:
            self._paint_scale(painter, QRect(_PAD, _PAD + step + 2, width, 8), self._colouring)
            return
        for number, (entry, count) in enumerate(self._lines, start=1):
            top = _PAD + number * step
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(entry.colour))
            painter.drawEllipse(_PAD, top + (step - _DOT) // 2, _DOT, _DOT)
            painter.setPen(QColor(theme.TEXT))
            taken = metrics.horizontalAdvance(count)
            painter.drawText(self.width() - _PAD - taken, top + metrics.ascent() + 1, count)
            name = metrics.elidedText(
                entry.name, Qt.TextElideMode.ElideRight, width - taken - _DOT - 2 * _PAD
            )
            painter.drawText(_PAD + _DOT + 7, top + metrics.ascent() + 1, name)
        if self._more:
            painter.setPen(QColor(theme.MUTED))
            top = _PAD + (len(self._lines) + 1) * step
            painter.drawText(_PAD + _DOT + 7, top + metrics.ascent(), f"and {self._more} more")

    def _paint_scale(self, painter: QPainter, bar: QRect, colouring: Colouring) -> None:
        strip = QImage(self._table.data, 256, 1, 1024, QImage.Format.Format_RGB32)
        painter.drawImage(bar, strip)
        painter.setPen(QColor(theme.MUTED))
        metrics = painter.fontMetrics()
        low, high = f"{colouring.low:.3g}", f"{colouring.high:.3g}"
        bottom = bar.bottom() + 4 + metrics.ascent()
        painter.drawText(bar.left(), bottom, low)
        painter.drawText(bar.right() - metrics.horizontalAdvance(high), bottom, high)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        entry = self._entry_at(event.position().toPoint())
        if entry is not None:
            self.chosen.emit(entry.code, mode_of(event.modifiers()))

    def _entry_at(self, spot: QPoint) -> Entry | None:
        number = (spot.y() - _PAD) // self._line - 1
        return self._lines[number][0] if 0 <= number < len(self._lines) else None


def _counts(colouring: Colouring, among: NDArray[np.bool_] | None) -> list[int]:
    codes = colouring.codes if among is None else colouring.codes[among]
    top = max(entry.code for entry in colouring.entries)
    found = np.bincount(np.clip(codes, -1, top + 1) + 1, minlength=top + 3)
    return [int(found[entry.code + 1]) for entry in colouring.entries]
