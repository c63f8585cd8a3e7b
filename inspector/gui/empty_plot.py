"""What a plot says while it has nothing to draw."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QLabel

_MARGIN = 8


class EmptyPlot(QLabel):
    """A few words over a plot in place of its axes.

    Parameters
    ----------
    plot : PlotWidget
    text : str
        What will be drawn there, and when.
    """

    def __init__(self, plot: pg.PlotWidget, text: str) -> None:
        super().__init__(text, plot)
        self._plot = plot
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setForegroundRole(self.foregroundRole().PlaceholderText)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        plot.installEventFilter(self)
        self.tell(True)

    def tell(self, empty: bool) -> None:
        """Show the words and hide the axes, or the other way round."""
        self.setVisible(empty)
        for side in ("left", "bottom", "right"):
            # The right one is shown by those that use it: one without a view stays hidden.
            axis = self._plot.plotItem.getAxis(side)
            if side != "right" or axis.linkedView() not in (None, self._plot.plotItem.vb):
                axis.setVisible(not empty)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            area = self._plot.rect()
            self.setGeometry(area.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN))
        return super().eventFilter(watched, event)
