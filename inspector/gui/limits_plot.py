"""What a scan would have seen in a class: power against distance, one curve for each share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from inspector.gui import theme

COLOURS = tuple(
    map(theme.shade, ("#4c8dd6", "#72b7b2", "#54a24b", "#f2c94c", "#f2a541", "#ef5b5b"))
)
"""One for each share, smallest first."""


class LimitsPlot(pg.PlotWidget):
    """Measured power with its intervals; a dashed line where no test at all could see more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        for name, text in (("left", "found"), ("bottom", "distance (standard deviations)")):
            axis = self.plotItem.getAxis(name)
            axis.setPen(pg.mkPen(theme.LINE))
            axis.setTextPen(pg.mkPen(theme.MUTED))
            axis.setLabel(text, color=theme.MUTED)
        self.plotItem.getAxis("left").setTicks([[(0, "0 %"), (0.5, "50 %"), (1, "100 %")]])
        self.setYRange(0, 1, padding=0.06)
        self.plotItem.addLegend(
            offset=(-6, -6), labelTextColor=theme.TEXT, brush=f"{theme.SURFACE}cc"
        )
        self.setAccessibleName("Power to find planted groups by distance and share")

    def show_limits(self, row: Mapping[str, Any] | None) -> None:
        """Draw the limits of one class, as a document of `limits_document` has them; None clears."""
        self.plotItem.clear()
        if row is None:
            self.plotItem.setTitle("Not measured yet", color=theme.MUTED, size="9pt")
            return
        self.plotItem.setTitle(None)
        for at, one in enumerate(row["by_share"]):
            colour = COLOURS[at % len(COLOURS)]
            cells = [c for c in row["cells"] if c["share"] == one["share"] and c["runs"]]
            if not cells:
                continue
            x = np.array([cell["distance"] for cell in cells], float)
            power, low, high = (
                np.array([cell[key] for cell in cells], float) for key in ("power", "low", "high")
            )
            bars = pg.ErrorBarItem(
                x=x, y=power, top=high - power, bottom=power - low, beam=0.12, pen=pg.mkPen(colour)
            )
            self.addItem(bars)
            self.plotItem.plot(
                x, power, pen=pg.mkPen(colour, width=2), symbol="o", symbolSize=6,
                symbolBrush=colour, symbolPen=None, name=f"{one['share']:.1%} of the class",
            )  # fmt: skip
            if one["impossible"] > 0:
                pen = pg.mkPen(colour, style=Qt.PenStyle.DashLine)
                self.addItem(pg.InfiniteLine(float(one["impossible"]), angle=90, pen=pen))
