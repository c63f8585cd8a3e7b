"""What a check of the cleaning measured: a picture of rates with intervals, a table, a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from inspector.case.cleaning_document import MODELS, RATES, rate_text
from inspector.gui import theme
from inspector.gui.plain import plain

ROWS = {
    "before": "the case's model",
    "cleaned": "trained without the tagged samples",
    "kept": "control: trained with them",
}
_SHORT = {"before": "before", "cleaned": "without tagged", "kept": "control"}
_COLUMNS = {
    "accuracy": "clean accuracy",
    "success": "trigger works",
    "usual": "without trigger",
}
_COLOURS = {"accuracy": theme.ACCENT, "success": theme.VERDICT_COLOURS["medium"]}
_WIDTH = 0.36


class CleaningView(QWidget):
    """Shows one check of a `cleaning_document`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = pg.PlotWidget(self, background=None)
        self.cells: dict[tuple[str, str], QLabel] = {}
        self.sentence, self.caveats = _words(self), _words(self)
        self.caveats.setForegroundRole(self.caveats.foregroundRole().PlaceholderText)
        self._dress()
        table = QGridLayout()
        table.setHorizontalSpacing(18)
        for at, rate in enumerate(RATES, 1):
            title = QLabel(_COLUMNS[rate], self)
            title.setForegroundRole(title.foregroundRole().PlaceholderText)
            table.addWidget(title, 0, at)
        for row, model in enumerate(MODELS, 1):
            table.addWidget(QLabel(ROWS[model], self), row, 0)
            for at, rate in enumerate(RATES, 1):
                cell = self.cells[model, rate] = QLabel(self)
                cell.setTextFormat(Qt.TextFormat.PlainText)
                table.addWidget(cell, row, at)
        table.setColumnStretch(len(RATES) + 1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.plot, 1)
        column.addLayout(table)
        column.addWidget(self.sentence)
        column.addWidget(self.caveats)

    def show_check(self, check: Mapping[str, Any]) -> None:
        """Show one of the document's ``checks``."""
        for (model, rate), cell in self.cells.items():
            cell.setText(rate_text(check[model][rate]))
        self.sentence.setText(plain(check["sentence"], 1200))
        self.caveats.setText("\n".join(plain(line, 600) for line in check["caveats"]))
        self._draw(check)

    def _dress(self) -> None:
        plot = self.plot
        plot.setMinimumHeight(150)
        plot.setMouseEnabled(x=False, y=False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        for side in ("left", "bottom"):
            axis = plot.plotItem.getAxis(side)
            axis.setPen(pg.mkPen(theme.LINE))
            axis.setTextPen(pg.mkPen(theme.MUTED))
        plot.plotItem.getAxis("left").setTicks([[(0, "0 %"), (0.5, "50 %"), (1, "100 %")]])
        names = [(at, _SHORT[model]) for at, model in enumerate(MODELS)]
        plot.plotItem.getAxis("bottom").setTicks([names])
        plot.setYRange(0, 1, padding=0.05)
        plot.setXRange(-0.6, len(MODELS) + 0.4, padding=0)  # the last part is the legend's
        plot.plotItem.addLegend(
            offset=(-6, 6), labelTextColor=theme.TEXT, brush=f"{theme.SURFACE}cc"
        )
        plot.setAccessibleName("Clean accuracy and trigger success of the three models")

    def _draw(self, check: Mapping[str, Any]) -> None:
        self.plot.plotItem.clear()
        for at, (name, colour) in enumerate(_COLOURS.items()):
            x = np.arange(len(MODELS)) + (at - 0.5) * _WIDTH
            rates = [check[model][name] for model in MODELS]
            value = np.array([0.0 if r["rate"] is None else r["rate"] for r in rates])
            low, high = np.array([r["interval"] for r in rates], float).T
            bars = pg.BarGraphItem(
                x=x, height=value, width=0.9 * _WIDTH, brush=colour, pen=None, name=_COLUMNS[name]
            )
            spread = pg.ErrorBarItem(
                x=x, y=value, top=high - value, bottom=value - low, beam=0.1,
                pen=pg.mkPen(theme.TEXT),
            )  # fmt: skip
            self.plot.addItem(bars)
            self.plot.addItem(spread)


def _words(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
