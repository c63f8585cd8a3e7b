"""How the case is looked at: selection, current sample, filter, order, threshold, colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, Signal

from inspector.case import SampleTable, parse_filter
from inspector.errors import InspectorError
from inspector.gui.selection import Mode, Selection


class ViewState(QObject):
    """What every panel draws by. Nothing here writes to the case.

    Attributes
    ----------
    table : SampleTable or None
        Columns by sample; None while the case has no samples yet.
    selection : Selection
    current : int
        The sample that the sample panel shows, -1 for none.
    visible : ndarray of bool, shape (n,), or None
        What the filter lets through; None without a filter.
    filter_text : str
    order_column : str
        Column that ranking, gallery and threshold go by.
    threshold : float or None
        Score of `order_column` from which samples count as proposed by the machine.
    tag_code : ndarray of int8, shape (n,)
        Position in ``case.tags.kinds`` of the first tag of each sample, -1 for none.
    tag_bits : ndarray of uint32, shape (n,)
        Bit k is set where the sample carries tag ``case.tags.kinds[k]``.
    proposed : ndarray of bool, shape (n,)
        At or above the threshold, and carrying no tag yet.
    colour : str
        What the map is coloured by.

    Signals
    -------
    selection_changed : Selection
        Once per gesture.
    current_changed : int
    visible_changed : ndarray of bool or None
    filter_failed : str
        Why the filter text cannot be used; empty once it can.
    order_changed : str
    threshold_changed : float or None
    colour_changed : str
    """

    selection_changed = Signal(object)
    current_changed = Signal(int)
    visible_changed = Signal(object)
    filter_failed = Signal(str)
    order_changed = Signal(str)
    threshold_changed = Signal(object)
    colour_changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.table: SampleTable | None = None
        self.colour = "label"
        self._forget_view()

    def _forget_view(self) -> None:
        self.table = None
        self.selection = Selection.empty(0)
        self.current = -1
        self.visible: NDArray[np.bool_] | None = None
        self.filter_text = ""
        self.order_column = "combined"
        self.threshold: float | None = None
        self.tag_code: NDArray[np.int8] = np.empty(0, np.int8)
        self.tag_bits: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.proposed: NDArray[np.bool_] = np.empty(0, bool)
        self._order: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of samples of the open case."""
        return 0 if self.table is None else int(self.table.n)

    @property
    def has_ranking(self) -> bool:
        """Whether there are scores to go by; without, samples come in the order of the dataset."""
        return self.table is not None and self.order_column in self.table.columns

    def select(
        self, what: ArrayLike, mode: Mode = "new", origin: str = "map", anchor: int | None = None
    ) -> None:
        """Change the selection by one gesture.

        Parameters
        ----------
        what : array_like
            Mask of shape (n,), or row numbers.
        mode : {"new", "add", "remove", "intersect"}
        origin : str
            Name of the panel.
        anchor : int, optional
            The sample to show; by default the most suspicious one of a new selection.
        """
        selection = self.selection.combined(what, mode, origin, anchor)
        kept = selection.anchor == self.selection.anchor and mode != "new"
        if anchor is None and selection.anchor >= 0 and not kept:
            first = int(self.ranked(selection.mask)[0])
            selection = Selection(selection.mask, first, origin)
        self._set_selection(selection)

    def select_all(self) -> None:
        """Select everything that the filter lets through."""
        everything = np.ones(self.n, bool) if self.visible is None else self.visible
        self.select(everything, "new", "menu")

    def invert_selection(self) -> None:
        """Select what the filter lets through and is not selected."""
        self._set_selection(self.selection.inverted(self.visible, "menu"))

    def clear_selection(self) -> None:
        """Select nothing."""
        self._set_selection(Selection.empty(self.n, "menu"))

    def _set_selection(self, selection: Selection) -> None:
        self.selection = selection
        self.selection_changed.emit(selection)
        if selection.anchor >= 0:
            self.set_current(selection.anchor)

    def set_current(self, row: int) -> None:
        """Show one sample without touching the selection."""
        row = row if 0 <= row < self.n else -1
        if row != self.current:
            self.current = row
            self.current_changed.emit(row)

    def set_filter(self, text: str) -> bool:
        """Show only samples for which an expression holds; an empty text shows all."""
        visible = None
        if text.strip() and self.table is not None:
            try:
                visible = parse_filter(text)(self.table)
            except InspectorError as error:
                self.filter_failed.emit(str(error))
                return False
        self.filter_text, self.visible = text.strip(), visible
        self.filter_failed.emit("")
        self.visible_changed.emit(visible)
        return True

    def set_order(self, column: str) -> None:
        """Rank by another column."""
        if column != self.order_column:
            self.order_column, self._order, self.threshold = column, None, None
            self._read_proposed()
            self.order_changed.emit(column)
            self.threshold_changed.emit(None)

    def set_threshold(self, value: float | None) -> None:
        """Propose every untagged sample whose score is at least ``value``."""
        self.threshold = value
        self._read_proposed()
        self.threshold_changed.emit(value)

    def set_colour(self, column: str) -> None:
        """Colour the map by label, predicted, tag, or a column with numbers."""
        if column != self.colour:
            self.colour = column
            self.colour_changed.emit(column)

    def ranked(self, rows: NDArray[Any] | None = None) -> NDArray[np.intp]:
        """Return rows, most suspicious first by `order_column`.

        Parameters
        ----------
        rows : ndarray, optional
            Mask of shape (n,) or row numbers to rank; by default all samples.
        """
        if self.table is None:
            return np.empty(0, np.intp)
        if self._order is None:
            ready = self.order_column in self.table.columns
            self._order = self.table.rank(by=self.order_column) if ready else np.arange(self.n)
        if rows is None:
            return self._order
        mask = rows
        if mask.dtype != bool:
            mask = np.zeros(self.n, bool)
            mask[rows] = True
        return self._order[mask[self._order]]

    def move(self, step: int) -> None:
        """Go ``step`` ranks on among the visible samples, and select the sample there."""
        order = self.ranked(self.visible)
        if not order.size:
            return
        at = np.flatnonzero(order == self.current)
        to = int(np.clip(at[0] + step, 0, order.size - 1)) if at.size else 0
        self.select([order[to]], "new", "keys", int(order[to]))

    def targets(self) -> NDArray[np.intp]:
        """Return the rows that a tag would go to: the selection, else the current sample."""
        rows = self.selection.rows
        if not rows.size and self.current >= 0:
            rows = np.array([self.current], np.intp)
        return rows

    def _read_proposed(self) -> None:
        self.proposed = self._open_proposals()
        if self.table is not None and self.threshold is not None:
            scores = self.table.columns.get(self.order_column)
            if scores is not None:
                with np.errstate(invalid="ignore"):
                    self.proposed |= (scores >= self.threshold) & (self.tag_code < 0)

    def _open_proposals(self) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): untagged samples that a recorded proposal names."""
        try:
            named = None if self.table is None else self.table.case.proposals.mask()
        except InspectorError:
            named = None  # A damaged proposal; verification names it.
        if named is None or named.size != self.n:
            return np.zeros(self.n, bool)
        return named & (self.tag_code < 0)


def as_numbers(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the columns that hold scores and other numbers, not indices or labels."""
    names = ("index", "label", "predicted")
    return {
        name: values
        for name, values in columns.items()
        if name not in names and np.issubdtype(values.dtype, np.number)
    }
