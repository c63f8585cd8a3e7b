"""The plots of the trigger lab: how a search goes, and how the classes compare. Created once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.class_columns import ClassColumns, quiet
from inspector.gui.empty_plot import EmptyPlot

LONGEST = 20_000
"""Points of a curve that are kept."""
FLAGGED, USUAL, OPEN = theme.VERDICT_COLOURS["medium"], "#3a6ba3", theme.FOCUS
SCREENED = "#33475f"
"""Bars of recorded triggers: significant, not, stopped early, and only compared early."""
_LOSS = theme.FOCUS
_SUCCESS = theme.MESSAGE_COLOURS["done"]


class CurvePlot(pg.PlotWidget):
    """Loss (left, logarithmic) and success rate (right, 0 to 100 %) over the steps of a search."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        quiet(self)
        self._loss = pg.PlotDataItem(pen=pg.mkPen(_LOSS, width=2))
        self._success = pg.PlotDataItem(pen=pg.mkPen(_SUCCESS, width=2))
        self.addItem(self._loss)
        self._right = pg.ViewBox(enableMouse=False)
        self.plotItem.showAxis("right")
        self.plotItem.scene().addItem(self._right)
        axis = self.plotItem.getAxis("right")
        axis.linkToView(self._right)
        axis.setPen(pg.mkPen(theme.LINE))
        axis.setTextPen(pg.mkPen(_SUCCESS))
        axis.setWidth(44)
        axis.setTicks([[(0, "0 %"), (0.5, "50 %"), (1, "100 %")]])
        self._right.setXLink(self.plotItem)
        self._right.setYRange(0, 1, padding=0.05)
        self._right.addItem(self._success)
        left = self.plotItem.getAxis("left")
        left.setTextPen(pg.mkPen(_LOSS))
        left.setWidth(52)
        self.plotItem.getAxis("bottom").setStyle(hideOverlappingLabels=False)
        self.plotItem.vb.sigResized.connect(self._align)
        self._empty = EmptyPlot(self, "the course of a search: loss and success")
        self.setToolTip(
            "Blue: loss. Green: share of samples that the trigger moves into the class."
        )

    def show_course(
        self, steps: Sequence[float], losses: Sequence[float], successes: Sequence[float]
    ) -> None:
        """Draw both curves; points without a value are left out."""
        x, y = _points(steps, losses)
        x, y = x[y > 0], np.log10(y[y > 0])
        self._loss.setData(x, y)
        last = float(max(steps, default=0.0))
        ends = sorted({float(min(steps)), last}) if 0 < last < float("inf") else []
        self.plotItem.getAxis("bottom").setTicks([[(at, f"{at:,.0f}") for at in ends]])
        ticks = log_ticks(float(y.min()), float(y.max())) if y.size else []
        self.plotItem.getAxis("left").setTicks([ticks])
        self._success.setData(*_points(steps, successes))
        self._empty.tell(not ends)

    def _align(self) -> None:
        self._right.setGeometry(self.plotItem.vb.sceneBoundingRect())
        self._right.linkedViewChanged(self.plotItem.vb, self._right.XAxis)


class ClassBars(ClassColumns):
    """One bar per class, and the line from which on a value counts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        none = np.zeros(1)
        self._bars = pg.BarGraphItem(x=none, height=none, width=0.7)
        self.addItem(self._bars)
        self.setToolTip(
            "One bar per class; a click shows it. Orange: significant. Light blue: works, not searched "
            "through. Dark: compared early, searched no further. In a running search also green: "
            "searched through, grey: nothing works yet."
        )

    def show_bars(
        self,
        classes: Sequence[int],
        names: Sequence[str],
        values: Sequence[float],
        colours: Sequence[str],
        threshold: float,
    ) -> None:
        """Draw one bar per class, and a line at the threshold unless it is NaN."""
        heights = np.nan_to_num(np.asarray(values, np.float64), nan=0.0)
        self._bars.setOpts(
            x=np.arange(len(heights)),
            height=heights,
            width=0.7,
            brushes=[QColor(colour) for colour in colours],
            pen=pg.mkPen(None),
        )
        self.show_columns(classes, names, [*heights.tolist(), 0.1], threshold)


def _points(
    steps: Sequence[float], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count = min(len(steps), len(values))
    x = np.asarray(steps[:count], np.float64)
    y = np.asarray(values[:count], np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    return x[keep], y[keep]


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return places and names of ticks for an axis of decimal logarithms.

    Whole powers of ten, and some of their multiples where the range spans few: pyqtgraph names all
    nine in between, one over the other.
    """
    span = high - low
    factors = (1,) if span > 2 else (1, 3) if span > 1 else (1, 2, 5)
    ticks = []
    for power in range(math.floor(low), math.ceil(high) + 1):
        ticks += [(power + math.log10(factor), f"{factor * 10.0**power:g}") for factor in factors]
    return ticks
