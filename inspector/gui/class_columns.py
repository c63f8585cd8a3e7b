"""Plots with one column per class: names below, a line from which on a value counts, clicks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.empty_plot import EmptyPlot
from inspector.gui.plain import plain

_AXIS = 38


class ClassColumns(pg.PlotWidget):
    """Names, range and threshold of what is drawn per class.

    Signals
    -------
    clicked : int
        Class whose column was clicked.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        quiet(self)
        self._classes: list[int] = []
        self._names: list[str] = []
        self._line = pg.InfiniteLine(
            angle=0, pen=pg.mkPen(theme.PROPOSED, width=2, style=Qt.PenStyle.DashLine)
        )
        self._line.setZValue(5)
        self.addItem(self._line)
        self._line.setVisible(False)
        self.plotItem.getAxis("left").setWidth(_AXIS)
        self.plotItem.getAxis("bottom").setStyle(hideOverlappingLabels=False)
        self._empty = EmptyPlot(self, "the classes beside one another, once they were searched")
        self.scene().sigMouseClicked.connect(self._on_clicked)

    def show_columns(
        self,
        classes: Sequence[int],
        names: Sequence[str],
        values: Sequence[float],
        threshold: float,
    ) -> None:
        """Make room for values of these classes, and draw a line at the threshold unless it is NaN."""
        self._classes, self._names = list(classes), list(names)
        self._empty.tell(not classes)
        shown = threshold == threshold and bool(classes)
        self._line.setVisible(shown)
        if shown:
            self._line.setValue(threshold)
        self._name_columns()
        self.plotItem.getAxis("left").setTicks(None if classes else [[]])
        top = max([*values, threshold if shown else 0.0, 0.0])
        low = min([*values, 0.0])
        self.setXRange(-0.6, max(len(classes), 1) - 0.4, padding=0)
        self.setYRange(low, top, padding=0.08)

    def _name_columns(self) -> None:
        """Write as much of each name as has room below it; not every name for many classes."""
        room = max(self.width() - _AXIS, 1) / max(len(self._names), 1)
        letter = self.fontMetrics().averageCharWidth() + 1
        every = max(1, math.ceil(4 * letter / room))
        longest = max(3, int(room * every / letter))
        ticks = [
            (at, plain(name, longest)) for at, name in enumerate(self._names) if at % every == 0
        ]
        self.plotItem.getAxis("bottom").setTicks([ticks])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "_names"):  # pyqtgraph resizes within its own constructor.
            self._name_columns()

    def _on_clicked(self, event: Any) -> None:
        spot = self.plotItem.vb.mapSceneToView(event.scenePos())
        at = round(spot.x())
        if 0 <= at < len(self._classes):
            self.clicked.emit(self._classes[at])


def quiet(plot: pg.PlotWidget) -> None:
    """Take away everything that turns a figure into a toy: menus, zoom, buttons, frame."""
    plot.setMinimumSize(110, 70)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.setFrameShape(plot.Shape.NoFrame)
    for side in ("left", "bottom"):
        axis = plot.plotItem.getAxis(side)
        axis.setPen(pg.mkPen(theme.LINE))
        axis.setTextPen(pg.mkPen(theme.MUTED))
