"""How one score is distributed, and a threshold to drag: whatever lies above it is selected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import theme
from inspector.gui.end_typing import end_typing
from inspector.gui.number_box import score_box
from inspector.gui.plain import plain
from inspector.gui.trigger_plots import log_ticks
from inspector.gui.turns import soon
from inspector.gui.view_state import as_numbers
from inspector.gui.workspace import Workspace

ORIGIN = "histogram"
BINS = 80
LIVE = 33
"""Milliseconds between two selections while the threshold is dragged."""
LONG_TAIL = 30.0
"""From this ratio of largest to median score on, the score is drawn on a logarithmic axis."""

_BAR = QColor(theme.ACCENT).darker(130)
_LIT = QColor(theme.FOCUS).lighter(125)
_ALL = -1
_CURRENT = -2


def scores_of(names: list[str]) -> list[str]:
    """Return the columns in which more means more suspicious, the combined score first."""
    wanted = [name for name in names if name not in ("p_value", "confidence")]
    return sorted(wanted, key=lambda name: (name != "combined", name == "loss"))


class HistogramView(QWidget):
    """Counts (logarithmic) of the score that the case is ordered by, of one class or of all.

    Only visible samples are counted. The part of each bar that is selected is drawn brighter.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._rows: NDArray[np.intp] = np.empty(0, np.intp)
        self._column: NDArray[Any] = np.empty(0, np.float32)
        self._scores: NDArray[np.float64] = np.empty(0)
        self._edges: NDArray[np.float64] = np.linspace(0.0, 1.0, 2)
        self._log = False
        self._shown_class = _ALL
        self._score_box = _combo("Score that ranking, histogram and gallery go by")
        self._class_box = _combo("Class that is counted and that the threshold selects from")
        self._value = score_box()
        self._value.setToolTip("Select every counted sample with at least this score")
        self._value.setFixedWidth(80)
        self._build_plot()
        # Over the plot, where there is room: a line of its own would cost the bars their height.
        self._said = QLabel(self._plot)
        self._said.setTextFormat(Qt.TextFormat.PlainText)
        self._said.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._said.move(46, 0)
        top = QHBoxLayout()
        top.setSpacing(6)
        for widget in (self._score_box, self._class_box, QLabel("≥", self), self._value):
            top.addWidget(widget)
        top.setStretch(0, 1)
        top.setStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 2, 0)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self._plot, 1)
        self._live = QTimer(self)
        self._live.setSingleShot(True)
        self._live.setInterval(LIVE)
        self._live.timeout.connect(self._select_above)
        self._score_box.activated.connect(self._on_score_chosen)
        self._class_box.activated.connect(self._on_class_chosen)
        self._value.valueChanged.connect(self._on_value_typed)
        self._value.lineEdit().returnPressed.connect(lambda: end_typing(self))
        self._line.sigDragged.connect(self._on_dragged)
        self._line.sigPositionChangeFinished.connect(self._on_dropped)
        workspace.case_changed.connect(self.reload)
        workspace.table_changed.connect(self._on_table)
        workspace.order_changed.connect(self.reload)
        workspace.visible_changed.connect(self.recount)
        workspace.selection_changed.connect(self._on_selection)
        workspace.current_changed.connect(self._on_current)
        self.reload()

    def _build_plot(self) -> None:
        """Create the plot once: pyqtgraph never gives back what a plot used (its issue 2672)."""
        self._plot = pg.PlotWidget(self, background=None)
        self._plot.setMinimumSize(140, 60)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(pg.mkPen(theme.LINE))
            axis.setTextPen(pg.mkPen(theme.MUTED))
        self._plot.getAxis("left").setWidth(38)
        none = np.zeros(1)
        self._bars = pg.BarGraphItem(x0=none, x1=none, height=none, brush=_BAR, pen=None)
        self._lit_bars = pg.BarGraphItem(x0=none, x1=none, height=none, brush=_LIT, pen=None)
        self._line = pg.InfiniteLine(
            angle=90,
            movable=True,
            pen=pg.mkPen(theme.PROPOSED, width=2),
            hoverPen=pg.mkPen(theme.PROPOSED, width=4),
        )
        self._line.setCursor(Qt.CursorShape.SizeHorCursor)
        for item in (self._bars, self._lit_bars, self._line):
            self._plot.addItem(item)
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)

    # ---- what is counted ------------------------------------------------------------------------

    @property
    def rows(self) -> NDArray[np.intp]:
        """The counted samples: visible, of the chosen class, with a score."""
        return self._rows

    @property
    def threshold(self) -> float:
        """The score at the line."""
        return self._from_axis(float(self._line.value()))

    def show_class(self, index: int) -> None:
        """Count one class by its index, or all with -1."""
        at = self._class_box.findData(index)
        self._class_box.setCurrentIndex(max(at, 0))
        self.recount()

    def _on_table(self, _: object = None) -> None:
        soon(self, self.reload)

    def reload(self, _: object = None) -> None:
        """Take up the columns and classes of the case, then count."""
        workspace = self._workspace
        names = (
            [] if workspace.table is None else scores_of(list(as_numbers(workspace.table.columns)))
        )
        _fill(self._score_box, [(plain(name, 40), name) for name in names], workspace.order_column)
        classes = [] if workspace.case is None else list(workspace.case.class_names)
        entries: list[tuple[str, object]] = [("all classes", _ALL), ("class of sample", _CURRENT)]
        entries += [(plain(name, 40), at) for at, name in enumerate(classes)]
        _fill(self._class_box, entries, self._class_box.currentData())
        for widget in (self._score_box, self._class_box, self._value):
            widget.setEnabled(bool(names))
        self.recount()

    def recount(self, _: object = None) -> None:
        """Count the visible samples of the chosen class anew; the threshold stays where it was."""
        workspace = self._workspace
        column = (
            None if workspace.table is None else workspace.table.columns.get(workspace.order_column)
        )
        self._rows = np.empty(0, np.intp)
        if column is not None and workspace.table is not None:
            keep = np.isfinite(column)
            self._shown_class = self._chosen_class()
            if self._shown_class >= 0:
                keep = keep & (workspace.table.columns["label"] == self._shown_class)
            if workspace.visible is not None:
                keep = keep & workspace.visible
            self._rows = np.flatnonzero(keep)
        self._column = np.empty(0, np.float32) if column is None else column[self._rows]
        self._scores = self._column.astype(np.float64)
        self._log = _has_long_tail(self._scores)
        low, high = _span(self._to_axis(self._scores))
        self._edges = np.linspace(low, high, BINS + 1)
        self._draw(self._bars, self._scores)
        self._draw_selected()
        self._label_axes()
        threshold = workspace.threshold
        at = high if threshold is None else float(self._to_axis(np.array([threshold]))[0])
        self._place_line(min(max(at, low), high))
        self._plot.setXRange(low, high, padding=0.02)
        self._say()

    def _chosen_class(self) -> int:
        chosen = self._class_box.currentData()
        if chosen == _CURRENT and self._workspace.table is not None:
            row = self._workspace.current
            return int(self._workspace.table.columns["label"][row]) if row >= 0 else _ALL
        return _ALL if chosen is None or chosen < 0 else int(chosen)

    def _to_axis(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(np.maximum(scores, 1e-12)) if self._log else scores

    def _from_axis(self, value: float) -> float:
        return 10.0**value if self._log else value

    def _draw(self, item: pg.BarGraphItem, scores: NDArray[np.float64]) -> None:
        counts, _ = np.histogram(self._to_axis(scores), self._edges)
        item.setOpts(x0=self._edges[:-1], x1=self._edges[1:], height=np.log10(1.0 + counts))

    def _draw_selected(self) -> None:
        mask = self._workspace.selection.mask
        chosen = mask[self._rows] if mask.size else np.zeros(self._rows.size, bool)
        self._draw(self._lit_bars, self._scores[chosen])

    def _label_axes(self) -> None:
        counts, _ = np.histogram(self._to_axis(self._scores), self._edges)
        most = int(counts.max()) if counts.size else 1
        ticks = [10**power for power in range(7) if 10**power <= max(most, 1)]
        named = [(math.log10(1 + value), _short(value)) for value in ticks]
        self._plot.getAxis("left").setTicks([named])
        # Room above the bars for the line of text that lies over the plot.
        self._plot.setYRange(0, 1.18 * math.log10(1 + max(most, 1)), padding=0)
        axis = self._plot.getAxis("bottom")
        axis.setTicks([log_ticks(self._edges[0], self._edges[-1])] if self._log else None)

    # ---- the threshold --------------------------------------------------------------------------

    def set_threshold(self, score: float) -> None:
        """Move the line to a score and select what lies at or above it."""
        at = float(self._to_axis(np.array([score]))[0])
        self._place_line(at)
        self._select_above(score)

    def _place_line(self, at: float) -> None:
        with QSignalBlocker(self._line):
            self._line.setBounds((None, None))
            self._line.setValue(at)
        with QSignalBlocker(self._value):
            self._value.setValue(self._from_axis(at))

    def _select_above(self, score: float | None = None) -> None:
        if self._workspace.table is None or not self._scores.size:
            return
        score = self.threshold if score is None else score
        # In the column's own precision, as the workspace compares: both must mean the same rows.
        rows = self._rows[self._column >= score]
        with QSignalBlocker(self._value):
            self._value.setValue(score)
        self._workspace.set_threshold(score)
        self._workspace.select(rows, "new", ORIGIN)

    def _on_dragged(self, _: object = None) -> None:
        if not self._live.isActive():
            self._live.start()

    def _on_dropped(self, _: object = None) -> None:
        self._live.stop()
        self._select_above()

    def _on_clicked(self, event: Any) -> None:
        spot = self._plot.getViewBox().mapSceneToView(event.scenePos())
        if self._edges[0] <= spot.x() <= self._edges[-1]:
            self.set_threshold(self._from_axis(spot.x()))

    def _on_value_typed(self, value: float) -> None:
        self.set_threshold(value)

    # ---- signals --------------------------------------------------------------------------------

    def _on_score_chosen(self) -> None:
        self._workspace.set_order(self._score_box.currentData())

    def _on_class_chosen(self) -> None:
        self.recount()

    def _on_current(self, _: int) -> None:
        if self._class_box.currentData() == _CURRENT and self._chosen_class() != self._shown_class:
            self.recount()

    def _on_selection(self, _: object) -> None:
        self._draw_selected()
        self._say()

    def _say(self) -> None:
        mask = self._workspace.selection.mask
        chosen = int(np.count_nonzero(mask[self._rows])) if mask.size else 0
        text = f"{chosen:,} of {self._rows.size:,} selected" if self._rows.size else ""
        self._said.setText(text)
        self._said.adjustSize()


def _combo(tip: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(7)
    return box


def _fill(box: QComboBox, entries: list[tuple[str, object]], chosen: object) -> None:
    with QSignalBlocker(box):
        box.clear()
        for text, value in entries:
            box.addItem(text, value)
        box.setCurrentIndex(max(box.findData(chosen), 0) if entries else -1)


def _has_long_tail(scores: NDArray[np.float64]) -> bool:
    """Tell whether a linear axis would press nearly everything into its first bars."""
    if scores.size < 10 or scores.min() < 0:
        return False
    middle = float(np.median(scores))
    return middle > 0 and float(scores.max()) / middle > LONG_TAIL


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _short(count: int) -> str:
    if count >= 1_000_000:
        return f"{count // 1_000_000}M"
    return f"{count // 1000}k" if count >= 1000 else str(count)
