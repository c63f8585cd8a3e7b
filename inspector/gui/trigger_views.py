"""What the trigger lab draws: the trigger of one class, its course, and the classes compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSplitter, QStackedWidget, QWidget

from inspector.gui import theme
from inspector.gui.pixel_view import PixelView, beside, stamped, stretched, to_image
from inspector.gui.shadow_dots import ShadowDots
from inspector.gui.trigger_classes import standing_colour
from inspector.gui.trigger_course import Standing
from inspector.gui.trigger_plots import FLAGGED, OPEN, SCREENED, USUAL, ClassBars, CurvePlot
from inspector.gui.trigger_results import Trigger

MEASURES = (
    ("anomaly index", "anomaly", "How far each trigger is smaller than those of other classes"),
    ("mask size (log L1)", "mask_l1", "Decimal logarithm of the size in pixels; small is unusual"),
    ("success", "success", "Share of pictures that the trigger turns into the class"),
)
BESIDE = "beside"
_BESIDE = (
    "beside shadows",
    BESIDE,
    "How far each class deviates from the same class of clean look-alikes",
)
_TALL = 300
"""Height from which on the plots stand below the pictures, not beside them."""
_PICTURES = 0.42
"""Largest share of the room that pictures take of their own accord."""
_SIDE = 60


class TriggerViews(QSplitter):
    """Pictures beside plots where it is low, above them where it is tall.

    Signals
    -------
    class_chosen : int
        Class whose bar was clicked.
    """

    class_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.mask_view = PixelView("mask", self, side=_SIDE)
        self.pattern_view = PixelView("pattern", self, side=_SIDE)
        self.stamp_view = PixelView("on a sample", self, side=_SIDE)
        self.curves = CurvePlot(self)
        self.bars = ClassBars(self)
        self.dots = ShadowDots(self)
        self.columns = QStackedWidget(self)
        self.columns.addWidget(self.bars)
        self.columns.addWidget(self.dots)
        self.measure = QComboBox(self)
        for measure in MEASURES:
            self._add_measure(*measure)
        self.measure.setToolTip("What is compared across classes")
        self._chosen_before = -1
        self.pictures = QWidget(self)
        row = QHBoxLayout(self.pictures)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for view in (self.mask_view, self.pattern_view, self.stamp_view):
            row.addWidget(view)
        self.plots = QSplitter(Qt.Orientation.Horizontal, self)
        self.plots.addWidget(self.columns)
        self.plots.addWidget(self.curves)
        self.plots.setSizes([320, 260])
        for splitter in (self, self.plots):
            splitter.setChildrenCollapsible(False)
        self.addWidget(self.pictures)
        self.addWidget(self.plots)
        self._by_hand = False
        self.splitterMoved.connect(self._on_moved)
        self.bars.clicked.connect(self.class_chosen)
        self.dots.clicked.connect(self.class_chosen)
        self.measure.activated.connect(self._on_measure)

    @property
    def images(self) -> dict[str, QImage | None]:
        """The pictures that are shown, by the word that their files end with."""
        return {
            "mask": self.mask_view.image,
            "pattern": self.pattern_view.image,
            "stamped": self.stamp_view.image,
        }

    def show_trigger(
        self, trigger: Trigger | None, example: NDArray[np.uint8] | None, empty: str
    ) -> None:
        """Draw one trigger, put it on an example, and draw its course; None clears.

        A trigger that transforms cannot be put on here: shown is a sample before and after it.
        """
        mask = None if trigger is None else trigger.mask
        pattern = None if trigger is None else trigger.pattern
        mixed = None
        if trigger and trigger.transforms:
            if trigger.examples is not None:
                mixed = beside(trigger.examples[0, 0], trigger.examples[1, 0])
            largest = 0.0 if mask is None else mask.max(initial=0) / 255
            self.mask_view.set_caption(f"change ≤ {largest:.0%}")
            self.pattern_view.set_caption("on grey")
            self.stamp_view.set_caption("before · after")
            mask = None if mask is None else stretched(mask)
        else:
            self.mask_view.set_caption("mask")
            self.pattern_view.set_caption("pattern")
            if trigger and mask is not None and pattern is not None and example is not None:
                mixed = stamped(example, mask, pattern, trigger.delta)
        self.mask_view.show_image(to_image(mask), empty)
        self.pattern_view.show_image(to_image(pattern), empty)
        self.stamp_view.show_image(to_image(mixed), empty)
        if trigger is None:
            self.curves.show_course((), (), ())
        else:
            self.curves.show_course(trigger.steps, trigger.losses, trigger.successes)

    def compare(self, triggers: Sequence[Trigger], names: Sequence[str]) -> None:
        """Compare what was recorded; ``names`` are those of all classes, safe to show."""
        if triggers and not any(t.anomaly == t.anomaly for t in triggers):
            self._do_without_anomaly()
        else:
            self._back_to_anomaly()
        compared = [trigger for trigger in triggers if trigger.beside is not None]
        self._offer_beside(bool(compared))
        if self.besides:
            self._compare_beside(compared, names)
            return
        self.columns.setCurrentWidget(self.bars)
        measure = self.measure.currentData()
        values = [_measured(trigger, measure) for trigger in triggers]
        thresholds = [t.threshold for t in triggers if t.threshold == t.threshold]
        line = thresholds[0] if thresholds and measure == "anomaly" else float("nan")
        colours = [_colour(trigger) for trigger in triggers]
        classes = [trigger.index for trigger in triggers]
        self.bars.show_bars(classes, [_name(names, at) for at in classes], values, colours, line)

    @property
    def besides(self) -> bool:
        """Whether the classes are shown beside shadow networks."""
        return bool(self.measure.currentData() == BESIDE)

    def _compare_beside(self, triggers: Sequence[Trigger], names: Sequence[str]) -> None:
        self.columns.setCurrentWidget(self.dots)
        self.dots.show_beside(
            [trigger.index for trigger in triggers],
            [_name(names, trigger.index) for trigger in triggers],
            [trigger.beside for trigger in triggers if trigger.beside is not None],
            [FLAGGED if _stands_out(trigger) else theme.SELECTED for trigger in triggers],
        )

    def _offer_beside(self, there: bool) -> None:
        """List the comparison with shadow networks where there is one; it is shown at first."""
        at = self.measure.findData(BESIDE)
        if there and at < 0:
            self._add_measure(*_BESIDE)
            self.measure.setCurrentIndex(self.measure.findData(BESIDE))
        elif not there and at >= 0:
            if self.besides:
                self.measure.setCurrentIndex(0)
            self.measure.removeItem(at)

    def _add_measure(self, title: str, name: str, tip: str) -> None:
        self.measure.addItem(title, name)
        self.measure.setItemData(self.measure.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)

    def compare_live(self, standings: Mapping[int, Standing], names: Sequence[str]) -> None:
        """Compare what a running search has so far; it has no anomaly index before the end."""
        self._do_without_anomaly()
        self.columns.setCurrentWidget(self.bars)
        classes = sorted(standings)
        rows = [standings[at] for at in classes]
        success = self.measure.currentData() == "success"
        values = [row.success if success else log_size(row.mask_l1) for row in rows]
        colours = [standing_colour(row) for row in rows]
        named = [_name(names, at) for at in classes]
        self.bars.show_bars(classes, named, values, colours, float("nan"))

    def _on_measure(self, _: int) -> None:
        self._chosen_before = -1  # Chosen by hand: it stays.

    def _do_without_anomaly(self) -> None:
        if self.measure.currentData() in ("anomaly", BESIDE):
            self._chosen_before = self.measure.currentIndex()
            self.measure.setCurrentIndex(self.measure.findData("mask_l1"))

    def _back_to_anomaly(self) -> None:
        if self._chosen_before >= 0:
            self.measure.setCurrentIndex(min(self._chosen_before, self.measure.count() - 1))
            self._chosen_before = -1

    def _on_moved(self, _at: int, _index: int) -> None:
        self._by_hand = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        tall = self.height() >= _TALL
        sides = Qt.Orientation
        if tall != (self.orientation() == sides.Vertical):
            self.setOrientation(sides.Vertical if tall else sides.Horizontal)
            self._by_hand = False
        if self._by_hand:
            return
        # Three squares as large as the height, or the width, allows; the plots get the rest.
        whole = self.height() if tall else self.width()
        squares = self.width() // 3 if tall else 3 * self.height()
        pictures = min(squares, round(whole * _PICTURES))
        self.setSizes([pictures, whole - pictures])


def log_size(mask_l1: float) -> float:
    """Return the decimal logarithm of a size in pixels; NaN of none."""
    return float(np.log10(mask_l1)) if mask_l1 > 0 else float("nan")


def _measured(trigger: Trigger, measure: str) -> float:
    if measure == "mask_l1":
        return log_size(trigger.mask_l1)
    return trigger.success if measure == "success" else trigger.anomaly


def _stands_out(trigger: Trigger) -> bool:
    """Tell whether it is beside its shadows that a class is significant: few cannot make it so."""
    beside = trigger.beside
    return trigger.significant and beside is not None and beside["threshold"] is not None


def _colour(trigger: Trigger) -> str:
    if trigger.stopped_early:
        return OPEN
    if trigger.significant:
        return FLAGGED
    return SCREENED if trigger.bound else USUAL


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else str(index)
