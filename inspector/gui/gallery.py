"""Thumbnails of the selection, a class, the ranking, or samples alike: the place to look."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import theme
from inspector.gui.array_table import tooltip
from inspector.gui.empty_page import EmptyPage
from inspector.gui.gallery_view import Cell, GalleryView
from inspector.gui.hover_card import HoverCard
from inspector.gui.plain import plain
from inspector.gui.sample_menu import point_out, pop_up_sample_menu
from inspector.gui.selection import Selection
from inspector.gui.similar import most_alike
from inspector.gui.workspace import Workspace

Source = Literal["selection", "class", "ranking", "similar"]
ORIGIN = "gallery"
_OWN_MOVES = (ORIGIN, "keys")
"""Selections from these leave the gallery as it is: it would shrink under the hand."""
_SIDES = (32, 224)


class GalleryPanel(QWidget):
    """Grid with its bar: source, order, size.

    The selection that it shows is the last one made elsewhere with more than one sample; picking
    single samples in the grid changes what a tag goes to, not what is shown.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._source: Source = "selection"
        self._group = np.empty(0, np.intp)
        self._class = 0
        self._alike_to = -1
        self.view = GalleryView(self._cells_of, self)
        self._card = HoverCard(workspace, self.view.viewport())
        self._title = QLabel(self)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._sources = QComboBox(self)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._empty = EmptyPage(self)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._bar())
        column.addLayout(self._stack, 1)
        self._connect()
        self._on_case(workspace.case)

    def _bar(self) -> QHBoxLayout:
        for name, text in (
            ("selection", "Selection"),
            ("class", "Class"),
            ("ranking", "Ranking"),
            ("similar", "Similar"),
        ):
            self._sources.addItem(text, name)
        self._sources.setToolTip(
            "Which samples to show: N and P step through classes, S shows samples alike"
        )
        self._sources.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._slider.setRange(*_SIDES)
        self._slider.setValue(68)
        self._slider.setFixedWidth(110)
        self._slider.setToolTip("Size of the thumbnails (Ctrl+wheel)")
        self._slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        size = QLabel("size", self)
        size.setStyleSheet(f"color: {theme.MUTED}")
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 4, 8, 4)
        bar.setSpacing(8)
        caption = QLabel("Gallery", self)
        caption.setStyleSheet(f"color: {theme.MUTED}")
        for widget in (caption, self._sources):
            bar.addWidget(widget)
        bar.addWidget(self._title, 1)
        bar.addWidget(size)
        bar.addWidget(self._slider)
        return bar

    def _connect(self) -> None:
        space = self._workspace
        space.case_changed.connect(self._on_case)
        space.table_changed.connect(self._on_table)
        space.tags_changed.connect(self._repaint)
        space.threshold_changed.connect(self._repaint)
        space.order_changed.connect(self._refill)
        space.visible_changed.connect(self._on_visible)
        space.selection_changed.connect(self._on_selection)
        space.current_changed.connect(self._on_current)
        space.similar_requested.connect(self.show_similar)
        self.view.picked.connect(self._on_picked)
        self.view.ranged.connect(self._on_ranged)
        self.view.hovered.connect(self._on_hovered)
        self.view.grown.connect(self.grow)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._ask_act)
        self._sources.activated.connect(self._on_source)
        self._slider.valueChanged.connect(self.view.set_side)

    # ---- what the menu and the keys call --------------------------------------------------------

    @property
    def rows(self) -> NDArray[np.intp]:
        """Samples in the grid, in its order."""
        return self.view.rows

    @property
    def source(self) -> Source:
        """Where the samples come from."""
        return self._source

    def show_source(self, source: Source) -> None:
        """Show samples from another source."""
        if source == "class" and self._workspace.current >= 0:
            self._class = self._label_of(self._workspace.current)
        if source == "similar" and self._workspace.current >= 0:
            self._alike_to = self._workspace.current
        self._source = source
        self._sources.setCurrentIndex(get_args(Source).index(source))
        self._refill()

    def show_similar(self, row: int) -> None:
        """Show the samples that the model sees as most like this one."""
        if row >= 0:
            self._workspace.set_current(row)
            self.show_source("similar")

    def show_class(self, index: int) -> None:
        """Show all samples with this label, most suspicious first."""
        self.show_source("class")
        self._class = index
        self._refill()

    def step_class(self, step: int) -> None:
        """Go to the next or the previous class."""
        count = len(self._workspace.class_names)
        if count:
            start = self._class if self._source == "class" else self._class - step
            self.show_class((start + step) % count)

    def grow(self, factor: float) -> None:
        """Show larger or smaller thumbnails."""
        self._slider.setValue(round(self._slider.value() * factor))

    def _ask_act(self, at: QPoint) -> None:
        place = self.view.place_at(at)
        if place >= 0:
            point_out(self._workspace, int(self.view.rows[place]), "gallery")
            pop_up_sample_menu(self.view, self._workspace, at)

    # ---- following the workspace ----------------------------------------------------------------

    def _on_case(self, case: object) -> None:
        self._group, self._class, self._alike_to = np.empty(0, np.intp), 0, -1
        self.show_source("selection")

    def _on_table(self, names: set[str]) -> None:
        if not names <= {"findings", "triggers", "map:pca", "map:umap"}:
            self._refill()

    def _on_selection(self, selection: Selection) -> None:
        self.view.set_selected(selection.mask)
        if selection.origin in _OWN_MOVES or selection.count == 1:
            return
        if selection.count or self._group.size:
            self._group = selection.rows
            if selection.count and self._source != "ranking":
                self.show_source("selection")
            elif self._source == "selection":
                self._refill()

    def _on_visible(self, visible: object) -> None:
        if self._source != "selection" or not self._group.size:
            self._refill()

    def _on_current(self, row: int) -> None:
        self.view.set_current(row, reveal=True)

    def _refill(self, *_: object) -> None:
        """Ask for the rows of the source again."""
        space = self._workspace
        if space.table is None:
            self.view.set_rows(np.empty(0, np.intp))
            self._title.setText("")
            self._show_empty()
            return
        rows, title = self._found()
        place = self.view.verticalScrollBar().value()
        same = np.array_equal(rows, self.view.rows)
        self.view.set_rows(rows)
        self.view.set_selected(space.selection.mask)
        self.view.set_current(space.current)
        if same:
            self.view.verticalScrollBar().setValue(place)
        self._title.setText(title)
        self._title.setToolTip(tooltip(title))
        if rows.size:
            self._stack.setCurrentWidget(self.view)
        else:
            self._show_empty()

    def _found(self) -> tuple[NDArray[np.intp], str]:
        space = self._workspace
        by = f"by {plain(space.order_column)}" if space.has_ranking else "in the order of the data"
        if self._source == "class":
            mask = self._labels() == self._class
            rows = space.ranked(mask if space.visible is None else mask & space.visible)
            return rows, f"{space.class_name(self._class)} ({rows.size:,}), {by}"
        if self._source == "similar" and self._alike_to >= 0:
            return self._alike(), f"most like #{self._alike_to:,} to the model"
        if self._source == "selection" and self._group.size:
            rows = space.ranked(self._group)
            return rows, f"selection ({rows.size:,}), {by}"
        rows = space.ranked(space.visible)
        return rows, f"{'ranking' if space.has_ranking else 'samples'} ({rows.size:,}), {by}"

    def _alike(self) -> NDArray[np.intp]:
        case = self._workspace.case
        if case is None or not case.has_array("activations"):
            return np.empty(0, np.intp)
        activations = case.array("activations").reshape(case.n, -1)
        return most_alike(activations, self._alike_to)[0]

    def _labels(self) -> NDArray[np.int32]:
        table = self._workspace.table
        assert table is not None
        labels: NDArray[np.int32] = table.columns["label"]
        return labels

    def _label_of(self, row: int) -> int:
        return max(0, int(self._labels()[row]))

    def _show_empty(self) -> None:
        self._stack.setCurrentWidget(self._empty)
        if self._workspace.table is None:
            text = "Thumbnails appear as soon as the dataset has been read."
            self._empty.say("No samples yet", text)
        elif self._source == "similar":
            text = "Samples are compared by their activations: analyse first, then press S."
            self._empty.say("Nothing to compare", text)
        else:
            self._empty.say("No sample to show", "The filter lets none through.")

    def _repaint(self, *_: object) -> None:
        self.view.viewport().update()

    # ---- cells ----------------------------------------------------------------------------------

    def _cells_of(self, rows: NDArray[np.intp]) -> list[Cell]:
        space = self._workspace
        if space.case is None or space.table is None:
            return [Cell(None, "") for _ in rows]
        kinds = space.case.tags.kinds
        tagged = [int(row) for row in rows if space.tag_code[row] >= 0]
        reasons = space.case.tags.reasons(tagged) if tagged else {}
        scores = space.table.columns.get(space.order_column)
        unreadable = space.case.unreadable()
        cells = []
        for row in map(int, rows):
            caption = f"{_short(float(scores[row]))} {row}" if scores is not None else str(row)
            if row in unreadable:
                caption = f"unreadable {row}"
            border, dashed, mark = "", False, ""
            if space.tag_code[row] >= 0:
                kind = kinds[space.tag_code[row]]
                border, mark = kind.colour, kind.key
                sources = {reason.source for reason in reasons.get(row, ())}
                dashed = bool(sources) and "manual" not in sources
            elif space.proposed[row]:
                border, dashed = theme.PROPOSED, True
            cells.append(Cell(space.thumbnail(row), caption, border, dashed, mark))
        return cells

    # ---- gestures -------------------------------------------------------------------------------

    def _on_picked(self, row: int, mode: str) -> None:
        if mode in ("new", "add", "remove"):
            self._workspace.select([row], mode, ORIGIN, row)  # type: ignore[arg-type]
        self._workspace.set_current(row)

    def _on_ranged(self, rows: NDArray[np.intp], mode: str) -> None:
        self._workspace.select(rows, "new", ORIGIN)

    def _on_hovered(self, row: int, spot: QPoint) -> None:
        # While thumbnails are large the card would hide more than it tells.
        self._card.point_at(row if self._slider.value() < 140 else -1, spot)

    def _on_source(self, number: int) -> None:
        self.show_source(self._sources.itemData(number))


def _short(score: float) -> str:
    """Return a score in at most five characters, ``.999`` for 0.999."""
    if not math.isfinite(score):
        return "–"
    if abs(score) < 0.9995:
        return f"{score:.3f}".replace("0.", ".", 1)
    return f"{score:#.3g}".rstrip(".") if abs(score) < 1000 else f"{score:.0e}".replace("+0", "")
