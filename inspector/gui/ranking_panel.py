"""The ranking: a table of samples, most suspicious first, beside the histogram of their score."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSplitter, QWidget

from inspector.gui.empty_page import EmptyOr
from inspector.gui.histogram_view import HistogramView, scores_of
from inspector.gui.ranking_model import SECONDARY, RankingModel
from inspector.gui.ranking_table import ORIGIN, RankingTable
from inspector.gui.sample_menu import add_sample_commands, add_tag_commands, point_out
from inspector.gui.selection import Mode, Selection
from inspector.gui.view_state import as_numbers
from inspector.gui.workspace import Workspace

_WIDTHS = {"rank": 72, "index": 72, "label": 96, "predicted": 96, "tags": 130}
_WIDTH = 84
_ARROW = 34
"""Room beside a header's text, for the arrow that shows the order."""
TOP = (10, 100, 1000)
"""How many of the most suspicious the menu offers to select."""


class RankingPanel(QWidget):
    """Table and histogram. A click on a score's header makes it the score of the whole window."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._sort = (workspace.order_column, True)
        self._filter = ""
        self._stale = True
        self.model = RankingModel(workspace, self)
        self.table = RankingTable(workspace, self.model, self)
        self.histogram = HistogramView(workspace, self)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.table)
        split.addWidget(self.histogram)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        split.setSizes([640, 380])
        self.table.setMinimumWidth(160)
        holder = QWidget(self)
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(split)
        self.stack = EmptyOr(self, holder)
        self.stack.page.clicked.connect(lambda: workspace.set_filter(""))
        header = self.table.horizontalHeader()
        header.sectionClicked.connect(self._on_header)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._ask_columns)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._ask_act)
        self.table.gesture.connect(self._on_gesture)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        workspace.order_changed.connect(self._on_order)
        workspace.visible_changed.connect(self._on_visible)
        workspace.tags_changed.connect(self._on_tags)
        workspace.selection_changed.connect(self._on_selection)
        workspace.current_changed.connect(self._on_current)
        self._on_case()

    # ---- what is shown --------------------------------------------------------------------------

    def arrange(self, *, keep: bool) -> None:
        """Sort and filter anew.

        Parameters
        ----------
        keep : bool
            Stay where the table was scrolled to; otherwise start at the top.
        """
        bar = self.table.verticalScrollBar()
        at, across = bar.value(), self.table.horizontalScrollBar().value()
        self.model.show_rows(self.model.sorted_rows(*self._sort))
        self._mark_sort()
        bar.setValue(at if keep else 0)
        self.table.horizontalScrollBar().setValue(across)
        self._follow_current()
        self._say_why_empty()

    def _say_why_empty(self) -> None:
        workspace = self._workspace
        if workspace.table is None:
            self.stack.show_empty(
                "No ranking yet",
                "An analysis fills it: one pass of the model over the data, then the detectors. "
                "Small pictures take seconds, photographs minutes; Jobs shows the time left.",
            )
        elif not self.model.rows.size:
            self.stack.show_empty(
                "The filter lets nothing through",
                f"No sample of {workspace.n:,} fits “{workspace.filter_text}”.",
                "Clear the filter",
            )
        else:
            self.stack.show_content()

    def _mark_sort(self) -> None:
        name, descending = self._sort
        falls = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self.table.horizontalHeader().setSortIndicator(self.model.position(name), falls)

    def _later(self, *, keep: bool) -> None:
        if self.isVisible() or not self.window().isVisible():
            self.arrange(keep=keep)
        else:
            self._stale = True

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._stale = False
            self.arrange(keep=True)
        self._reveal(self._workspace.selection.anchor)

    def _take_columns(self) -> None:
        before = [column.name for column in self.model.columns]
        self.model.take_columns()
        if [column.name for column in self.model.columns] != before:
            for at, column in enumerate(self.model.columns):
                room = self.table.fontMetrics().horizontalAdvance(column.title) + _ARROW
                self.table.setColumnWidth(at, _WIDTHS.get(column.name, max(room, _WIDTH)))
                self.table.setColumnHidden(at, column.name in SECONDARY)

    # ---- signals of the workspace ---------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._sort = (self._workspace.order_column, True)
        self._take_columns()
        self._later(keep=False)

    def _on_table(self, _: object) -> None:
        self._take_columns()
        self._later(keep=True)

    def _on_order(self, column: str) -> None:
        self._sort = (column, True)
        self._later(keep=False)

    def _on_visible(self, _: object) -> None:
        # The same filter anew means that tags changed: the analyst goes on where she was.
        keep = self._workspace.filter_text == self._filter
        self._filter = self._workspace.filter_text
        self._later(keep=keep)

    def _on_tags(self, _: object) -> None:
        # No sorting here, not even by tags: the row must stay under the mouse.
        self.table.viewport().update()

    def _on_selection(self, selection: Selection) -> None:
        if selection.origin not in (ORIGIN, "histogram"):
            self._reveal(selection.anchor)
        self.table.viewport().update()

    def _on_current(self, _: int) -> None:
        self._follow_current()
        self.table.viewport().update()

    def _reveal(self, sample: int) -> None:
        at = self.model.place_of(sample)
        if at >= 0 and self.isVisible():
            self.table.scrollTo(self.model.index(at, 0), self.table.ScrollHint.EnsureVisible)

    def _follow_current(self) -> None:
        """Let the arrow keys go on from the sample that is looked at, without scrolling to it."""
        at = self.model.place_of(self._workspace.current)
        if at >= 0 and self.table.currentIndex().row() != at:
            self.table.set_current_row(at)

    # ---- gestures -------------------------------------------------------------------------------

    def _on_gesture(self, samples: NDArray[np.intp], mode: Mode, anchor: int) -> None:
        self._workspace.select(samples, mode, ORIGIN, anchor)

    def _on_header(self, section: int) -> None:
        column = self.model.columns[section]
        name, descending = self._sort
        descending = not descending if name == column.name else column.falls_first
        self._sort = (column.name, descending)
        table = self._workspace.table
        scores = [] if table is None else scores_of(list(as_numbers(table.columns)))
        if descending and column.name in scores and column.name != self._workspace.order_column:
            self._workspace.set_order(column.name)  # Comes back as order_changed and sorts.
        else:
            self.arrange(keep=False)

    def select_top(self, count: int) -> None:
        """Select the first ``count`` rows as they are sorted now."""
        rows = self.model.rows[:count]
        if rows.size:
            self._workspace.select(rows, "new", ORIGIN, int(rows[0]))

    def _ask_columns(self, at: QPoint) -> None:
        menu = QMenu(self)
        for section, column in enumerate(self.model.columns):
            act = menu.addAction(column.title)
            act.setCheckable(True)
            act.setChecked(not self.table.isColumnHidden(section))
            act.toggled.connect(lambda shown, s=section: self.table.setColumnHidden(s, not shown))
        self._open(menu, self.table.horizontalHeader().mapToGlobal(at))

    def _ask_act(self, at: QPoint) -> None:
        row = self.table.rowAt(at.y())
        if 0 <= row < self.model.rows.size:
            point_out(self._workspace, int(self.model.rows[row]), ORIGIN)
        menu = QMenu(self)
        add_tag_commands(menu, self._workspace)
        menu.addSeparator()
        copy = menu.addAction("Copy selected rows", self.table.copy)
        copy.setEnabled(self._workspace.selection.count > 0)
        menu.addSeparator()
        for count in TOP:
            if count < self.model.rows.size:
                menu.addAction(f"Select the top {count:,}", partial(self.select_top, count))
        menu.addAction(
            f"Select all {self.model.rows.size:,} rows",
            lambda: self.select_top(self.model.rows.size),
        )
        menu.addSeparator()
        add_sample_commands(menu, self._workspace)
        self._open(menu, self.table.viewport().mapToGlobal(at))

    def _open(self, menu: QMenu, at: QPoint) -> None:
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)
