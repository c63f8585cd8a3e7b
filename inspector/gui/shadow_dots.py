"""Every class beside shadow networks: their deviations as dots, the suspect's as a diamond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.class_columns import ClassColumns

_GOLDEN = 0.618034
_DOT = "#7d9cc0"
_SPREAD = 0.5
"""Of a column: how far apart dots lie that would lie on one another."""


class ShadowDots(ClassColumns):
    """One column of dots per class; a line from which on a deviation is significant."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._zero = pg.InfiniteLine(pos=0, angle=0, pen=pg.mkPen(theme.LINE))
        self._dots = pg.ScatterPlotItem(size=4, pen=None, brush=pg.mkBrush(_DOT))
        self._own = pg.ScatterPlotItem(size=12, symbol="d", pen=pg.mkPen(theme.SURFACE))
        self._columns = pg.PlotCurveItem(pen=pg.mkPen(theme.RAISED), connect="pairs")
        for item in (self._columns, self._zero, self._dots, self._own):
            self.addItem(item)

    def show_beside(
        self,
        classes: Sequence[int],
        names: Sequence[str],
        besides: Sequence[Mapping[str, Any]],
        colours: Sequence[str],
    ) -> None:
        """Draw one column per class.

        Parameters
        ----------
        classes, names
            Of the columns, from the left.
        besides : sequence of mapping
            From `beside_of`; each has a deviation.
        colours : sequence of str
            Of the suspect's marker.
        """
        x, y = [], []
        for column, beside in enumerate(besides):
            for at, value in enumerate(beside.get("others") or ()):
                x.append(column + _SPREAD * ((at * _GOLDEN) % 1 - 0.5))
                y.append(value)
        self._dots.setData(np.array(x), np.array(y))
        own = [float(beside["deviation"]) for beside in besides]
        brushes = [pg.mkBrush(QColor(colour)) for colour in colours]
        self._own.setData(np.arange(len(own)), np.array(own), brush=brushes)
        ends = (min([*y, *own, 0.0]), max([*y, *own, 0.0]))
        self._columns.setData(np.repeat(np.arange(len(own)), 2), np.tile(ends, len(own)))
        limits = [one["threshold"] for one in besides if one["threshold"] is not None]
        self.show_columns(classes, names, [*y, *own], limits[0] if limits else float("nan"))


def beside_words(beside: Mapping[str, Any]) -> str:
    """Say how far one class deviates from its shadows."""
    count, limit, chance = (
        len(beside.get("others") or ()),
        beside["threshold"],
        beside["family_p_value"],
    )
    among = f"beside {count:,} shadows" if count else "beside shadows"
    more = ([] if limit is None else [f"threshold {limit:.2f}"]) + (
        [] if chance is None else [f"p {chance:.2g}, all together"]
    )
    return f"{among} {beside['deviation']:+.2f}" + (f" ({', '.join(more)})" if more else "")
