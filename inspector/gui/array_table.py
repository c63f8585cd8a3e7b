"""A read-only table over a few columns held in memory, sorted by argsort; text is always plain."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from inspector.gui.plain import plain

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """One column.

    Attributes
    ----------
    title : str
        Header.
    values : sequence
        One value per row: texts, or numbers (NaN = none).
    text : callable
        Turns a number into what the cell says; texts go through `plain`.
    tip : str
        Explanation in the header.
    colours : sequence of str, optional
        Colour of each cell's text, "" for the usual one.
    tips : sequence of str, optional
        Tooltip of each cell.
    """

    title: str
    values: Sequence[Any] | NDArray[Any]
    text: Callable[[Any], str] = plain
    tip: str = ""
    colours: Sequence[str] | None = None
    tips: Sequence[str] | None = None

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, set right and sorted high to low at first."""
        return isinstance(self.values, np.ndarray) and self.values.dtype.kind in "iuf"

    def order(self, descending: bool) -> NDArray[np.intp]:
        """Return row numbers sorted by this column, missing numbers last, ties in place."""
        if self.is_number:
            keys = np.asarray(self.values, np.float64)
            return np.argsort(-keys if descending else keys, kind="stable")
        at = sorted(range(len(self.values)), key=lambda i: str(self.values[i]), reverse=descending)
        return np.asarray(at, np.intp)


class ArrayModel(QAbstractTableModel):
    """Columns of equal length, in one order of rows."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.columns: list[ArrayColumn] = []
        self.rows: NDArray[np.intp] = np.empty(0, np.intp)

    def fill(self, columns: list[ArrayColumn], rows: NDArray[np.intp]) -> None:
        """Show these columns with these rows."""
        self.beginResetModel()
        self.columns, self.rows = columns, rows
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else int(self.rows.size)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        column = self.columns[section]
        if role == Role.DisplayRole:
            return column.title
        if role == Role.ToolTipRole:
            return column.tip
        if role == Role.TextAlignmentRole:
            return _RIGHT if column.is_number else _LEFT
        return None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not (0 <= index.row() < self.rows.size and 0 <= index.column() < len(self.columns)):
            return None
        row, column = int(self.rows[index.row()]), self.columns[index.column()]
        if role == Role.DisplayRole:
            return column.text(column.values[row])
        if role == Role.TextAlignmentRole:
            return _RIGHT if column.is_number else _LEFT
        if role == Role.ForegroundRole and column.colours is not None and column.colours[row]:
            return QColor(column.colours[row])
        if role == Role.ToolTipRole and column.tips is not None and column.tips[row]:
            return tooltip(column.tips[row])
        return None


class ArrayTable(QTableView):
    """Shows columns; a click on a header sorts, and the order stays when the values change.

    Signals
    -------
    picked : int, object
        Row (in the columns, not on screen) that was clicked or moved to, and the keys held.
    """

    picked = Signal(int, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_ = ArrayModel(self)
        self._sorted: tuple[str, bool] | None = None
        self._chosen = -1
        self.setModel(self.model_)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 7)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(True)
        header.setMinimumSectionSize(40)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.sectionClicked.connect(self._on_header)
        self.clicked.connect(self._on_clicked)

    def fill(self, columns: list[ArrayColumn]) -> None:
        """Show these columns; scroll position, chosen row and order are kept."""
        fresh = len(columns) != len(self.model_.columns)
        at = self.verticalScrollBar().value()
        count = len(columns[0].values) if columns else 0
        self.model_.fill(columns, self._ordered(columns, count))
        if fresh:
            self._mark_order()
            self.fit_columns()
        self.choose(self._chosen)
        self.verticalScrollBar().setValue(at)

    def fit_columns(self, widest: int = 260) -> None:
        """Make each column as wide as what it holds."""
        self.resizeColumnsToContents()
        for at in range(len(self.model_.columns)):
            self.setColumnWidth(at, min(self.columnWidth(at) + 8, widest))

    def choose(self, row: int) -> None:
        """Light up a row of the columns without saying so; -1 for none."""
        at = np.flatnonzero(self.model_.rows == row)
        self._chosen = row if at.size else -1
        if at.size:
            self.setCurrentIndex(
                self.model_.index(int(at[0]), max(self.currentIndex().column(), 0))
            )
        else:
            self.clearSelection()

    def sort_by(self, title: str, descending: bool) -> None:
        """Sort by the column with this header."""
        self._sorted = (title, descending)
        columns = self.model_.columns
        self.model_.fill(columns, self._ordered(columns, int(self.model_.rows.size)))
        self._mark_order()
        self.choose(self._chosen)

    def _mark_order(self) -> None:
        """Show an arrow in the header of the column that the rows are sorted by."""
        title, descending = self._sorted or ("", False)
        at = next((i for i, one in enumerate(self.model_.columns) if one.title == title), -1)
        falls = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self.horizontalHeader().setSortIndicatorShown(at >= 0)
        self.horizontalHeader().setSortIndicator(at, falls)

    def _ordered(self, columns: list[ArrayColumn], count: int) -> NDArray[np.intp]:
        if self._sorted is not None:
            title, descending = self._sorted
            for column in columns:
                if column.title == title:
                    return column.order(descending)
        return np.arange(count)

    def _on_header(self, section: int) -> None:
        column = self.model_.columns[section]
        descending = column.is_number
        if self._sorted is not None and self._sorted[0] == column.title:
            descending = not self._sorted[1]
        self.sort_by(column.title, descending)

    def _on_clicked(self, index: QModelIndex) -> None:
        self._pick(index.row())

    def _pick(self, at: int) -> None:
        if 0 <= at < self.model_.rows.size:
            self._chosen = int(self.model_.rows[at])
            self.picked.emit(self._chosen, QGuiApplication.keyboardModifiers())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.as_text())
            return
        if event.text() and event.text().isprintable():
            event.ignore()  # Letters and digits belong to the window's own keys.
            return
        # Not by currentRowChanged: Qt also moves there when the table merely gets the focus.
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        if self.currentIndex().row() != before:
            self._pick(self.currentIndex().row())

    def as_text(self) -> str:
        """Return the whole table as lines with tabs, in the order shown."""
        columns = self.model_.columns
        lines = ["\t".join(column.title for column in columns)]
        for row in self.model_.rows:
            lines.append("\t".join(column.text(column.values[row]) for column in columns))
        return "\n".join(lines)


def number(digits: str = ".4g") -> Callable[[Any], str]:
    """Return a text function for numbers: NaN and None become a dash."""

    def text(value: Any) -> str:
        if value is None or value != value:
            return "–"
        return format(float(value), digits)

    return text


def count(value: Any) -> str:
    """Return a count with thousands set apart."""
    return f"{int(value):,}"


def tooltip(*lines: str) -> str:
    """Return lines for a tooltip: Qt guesses at markup there, so they are escaped and wrapped.

    What evidence says stays on the line that it was given: a line break in it is shown as such.
    """
    return "<p>" + "<br>".join(html.escape(plain(line, 2000)) for line in lines if line) + "</p>"
