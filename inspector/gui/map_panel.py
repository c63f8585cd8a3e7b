"""The map: where the model puts every sample, with the tools to select on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QSignalBlocker, Qt
from PySide6.QtGui import QCursor, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import map_colours, theme
from inspector.gui.empty_page import EmptyPage
from inspector.gui.hover_card import HoverCard
from inspector.gui.job_feed import Event
from inspector.gui.map_canvas import MapCanvas, Tool
from inspector.gui.map_legend import MapLegend
from inspector.gui.plain import plain
from inspector.gui.sample_menu import point_out, pop_up_sample_menu
from inspector.gui.selection import Mode
from inspector.gui.workspace import Workspace

CAVEAT = (
    "UMAP keeps neighbours together. Distances between groups, their sizes and their density "
    "are made up by the method and are no evidence; scores are."
)
_PCA_TIP = "The two directions in which the activations vary most; a straight projection."
_TOOLS: tuple[tuple[Tool, str, str], ...] = (
    ("lasso", "Lasso", "Draw around points (L)"),
    ("box", "Box", "Draw a box around points (B)"),
    ("pan", "Pan", "Move the map (V); the wheel zooms, the middle button always moves"),
)


class MapPanel(QWidget):
    """Canvas, legend, hover card and the bar above them."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._colouring: map_colours.Colouring | None = None
        self._shown = ""
        self._wanted = "map:umap"
        self._umap_state = ""
        self.canvas = MapCanvas(self)
        self.legend = MapLegend(self.canvas)
        self._card = HoverCard(workspace, self.canvas)
        self._empty = EmptyPage(self)
        self._layers = _combo("Activations of this layer are mapped", 14)
        self._projections = _combo("", 12)
        self._colours = _combo("What the colour of a point shows", 14)
        self._count = QLabel(self)
        self._count.setTextFormat(Qt.TextFormat.PlainText)
        # A label that insists on its text would dictate the width of the whole window.
        self._count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._buttons = QButtonGroup(self)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.canvas)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._bar())
        column.addLayout(self._stack, 1)
        self._connect()
        self.use_tool("lasso")
        self._on_case(workspace.case)

    def _bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 4, 8, 4)
        bar.setSpacing(6)
        for text, combo in (
            ("Layer", self._layers),
            ("Projection", self._projections),
            ("Colour", self._colours),
        ):
            label = QLabel(text, self)
            label.setStyleSheet(f"color: {theme.MUTED}")
            bar.addWidget(label)
            bar.addWidget(combo)
        bar.addSpacing(6)
        for number, (name, text, tip) in enumerate(_TOOLS):
            button = QToolButton(self)
            button.setText(text)
            button.setIcon(theme.icon(name))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._buttons.addButton(button, number)
            bar.addWidget(button)
        bar.addSpacing(6)
        bar.addWidget(self._count, 1)
        return bar

    def _connect(self) -> None:
        space = self._workspace
        self.canvas.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.canvas.customContextMenuRequested.connect(self._ask_act)
        space.case_changed.connect(self._on_case)
        space.table_changed.connect(self._on_table)
        space.tags_changed.connect(self._on_tags)
        space.selection_changed.connect(self._on_selection)
        space.visible_changed.connect(self._on_layers)
        space.colour_changed.connect(self._on_colour)
        space.threshold_changed.connect(self._on_threshold)
        space.job_event.connect(self._on_job)
        self.canvas.outlined.connect(self._on_outlined)
        self.canvas.clicked.connect(self._on_clicked)
        self.canvas.hovered.connect(self._on_hovered)
        self.legend.chosen.connect(self._on_legend)
        self._buttons.idClicked.connect(self._on_tool)
        self._projections.activated.connect(self._on_projection)
        self._colours.activated.connect(self._on_colour_chosen)

    # ---- what the menu and the keys call --------------------------------------------------------

    def use_tool(self, tool: Tool) -> None:
        """Choose what dragging on the map does."""
        number = next(k for k, (name, _, _) in enumerate(_TOOLS) if name == tool)
        self._buttons.button(number).setChecked(True)
        self.canvas.set_tool(tool)

    def fit(self) -> None:
        """Show the selection, or everything when nothing is selected."""
        if self._workspace.selection.count:
            self.canvas.fit_rows(self._workspace.selection.mask)
        else:
            self.canvas.fit_all()

    def fit_all(self) -> None:
        """Show everything."""
        self.canvas.fit_all()

    # ---- following the workspace ----------------------------------------------------------------

    def _on_case(self, case: object) -> None:
        self._shown, self._umap_state, self._wanted = "", "", "map:umap"
        self._colouring = None
        self.canvas.set_points(None)
        self.legend.explain(None, None, None)
        self._fill_bar()
        self._choose_projection()

    def _on_table(self, names: set[str]) -> None:
        self._fill_bar()
        maps = {name for name in names if name.startswith("map:")}
        if maps or not self._shown:
            self._choose_projection(fresh=maps)
        self._recolour()

    def _on_tags(self, rows: object) -> None:
        if self._workspace.colour == "tag":
            self._recolour()
        self._on_layers()

    def _on_threshold(self, value: object) -> None:
        if self._workspace.colour == "tag":
            self._recolour()

    def _on_colour(self, name: str) -> None:
        self._fill_bar()
        self._recolour()

    def _on_selection(self, selection: object) -> None:
        self._on_layers()

    def _on_layers(self, visible: object = None) -> None:
        space = self._workspace
        if space.table is None:
            return
        selection = space.selection
        self.canvas.set_layers(
            space.visible,
            space.tag_code >= 0,
            selection.mask if selection.count else None,
        )
        self._explain()

    def _recolour(self) -> None:
        if self._workspace.table is None or not self._shown:
            return
        self._colouring = map_colours.colouring(self._workspace, self._workspace.colour)
        self.canvas.set_colours(self._colouring.colours)
        self._explain()

    def _explain(self) -> None:
        space = self._workspace
        count = space.selection.count
        selected = space.selection.mask if count else None
        self.legend.set_room(self.canvas.height() - 40)
        self.legend.explain(self._colouring, space.visible, selected)
        self._place_legend()
        self._count.setText(f"{count:,} selected" if count else "drag to select")

    def _fill_bar(self) -> None:
        space = self._workspace
        _fill(self._colours, map_colours.choices(space), space.colour)
        _fill(self._layers, [("", self._layer_name())], "")
        items = [("map:pca", "PCA"), ("map:umap", "UMAP" + self._umap_suffix())]
        _fill(self._projections, items, self._shown or self._wanted)
        self._projections.setToolTip(CAVEAT if self._shown == "map:umap" else _PCA_TIP)

    def _layer_name(self) -> str:
        case = self._workspace.case
        if case is None or not case.has_array("activations"):
            return "penultimate"
        options = case.get("scan", {}) or {}
        name = plain(options.get("layer") or "penultimate", 40)
        return f"{name} ({case.arrays()['activations'].shape[-1]})"

    def _umap_suffix(self) -> str:
        if self._has("map:umap"):
            return ""
        return " …" if self._umap_state else " (compute)"

    def _has(self, name: str) -> bool:
        case = self._workspace.case
        return case is not None and case.has_array(name)

    def _choose_projection(self, fresh: set[str] | frozenset[str] = frozenset()) -> None:
        """Show the wanted map if it is there, else PCA; never under the hand of the analyst."""
        wanted = self._wanted if self._has(self._wanted) else "map:pca"
        if wanted != self._shown and self._shown and self._busy():
            wanted = self._shown
        if not self._has(wanted) or self._workspace.case is None:
            self._stack.setCurrentWidget(self._empty)
            self._say_empty()
            return
        if wanted != self._shown or wanted in fresh:
            self._shown = wanted
            self.canvas.set_points(np.asarray(self._workspace.case.array(wanted)))
            self._recolour()
            self._on_layers()
            self._fill_bar()
        self._stack.setCurrentWidget(self.canvas)
        self._say_state()

    def _busy(self) -> bool:
        return self.canvas.drawing or self._workspace.selection.count > 0

    def _say_empty(self) -> None:
        if self._workspace.running:
            self._empty.say(
                "The map comes after the signals",
                "PCA is shown as soon as the model has looked at every sample; UMAP follows.",
            )
        else:
            self._empty.say(
                "No map yet",
                "The map shows where the model puts each sample. "
                "Analyse fills it: Case → Analyse (Ctrl+R).",
            )

    def _say_state(self) -> None:
        waits = self._shown == "map:pca" and self._wanted == "map:umap"
        if waits and self._has("map:umap"):
            self.canvas.set_note("UMAP is ready: choose it under Projection.")
        else:
            self.canvas.set_note(self._umap_state if waits else "")

    def _on_job(self, event: Event) -> None:
        kind, stage = event.get("event"), str(event.get("stage", "")).lower()
        if kind == "progress" and stage == "umap":
            detail = plain(event.get("text", ""))
            self._umap_state = f"UMAP is being computed; PCA meanwhile. {detail}"
        elif kind in ("failed", "cancelled") or (kind == "done" and event.get("job") == "map"):
            self._umap_state = ""
            self._fill_bar()
        elif kind != "stage":
            return
        if self._shown:
            self._say_state()
        else:
            self._say_empty()

    # ---- gestures -------------------------------------------------------------------------------

    def _on_outlined(self, mask: Any, mode: Mode) -> None:
        self._workspace.select(mask, mode, "map")

    def _on_clicked(self, row: int, mode: Mode) -> None:
        self._workspace.select([row], mode, "map", row)

    def _ask_act(self, at: QPoint) -> None:
        row = self.canvas.row_under(QPointF(at))
        if row >= 0:
            point_out(self._workspace, row, "map")
            pop_up_sample_menu(self.canvas, self._workspace, at)

    def _on_legend(self, code: int, mode: Mode) -> None:
        if self._colouring is None:
            return
        mask = self._colouring.codes == code
        if self._workspace.visible is not None:
            mask &= self._workspace.visible
        self._workspace.select(mask, mode, "legend")

    def _on_hovered(self, row: int) -> None:
        self._card.point_at(row, self.canvas.mapFromGlobal(QCursor.pos()))

    def _on_tool(self, number: int) -> None:
        self.canvas.set_tool(_TOOLS[number][0])

    def _on_projection(self, number: int) -> None:
        self._wanted = str(self._projections.itemData(number))
        missing = self._wanted == "map:umap" and not self._has("map:umap")
        if missing and not self._umap_state and self._workspace.start_map():
            self._umap_state = "UMAP is being computed; PCA meanwhile."
        if self._has(self._wanted):
            self._shown = ""  # A choice by hand counts even while something is selected.
        self._choose_projection()
        self._fill_bar()

    def _on_colour_chosen(self, number: int) -> None:
        self._workspace.set_colour(str(self._colours.itemData(number)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._colouring is not None:
            self._explain()

    def _place_legend(self) -> None:
        size = self.legend.sizeHint()
        fits = self.canvas.height() > 90 and self.canvas.width() > 2 * size.width()
        self.legend.setVisible(fits and self._colouring is not None)
        self.legend.move(QPoint(self.canvas.width() - size.width() - 8, 8))


def _combo(tip: str, characters: int) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(characters)
    combo.setMinimumWidth(74)  # Else three combos decide how narrow the window can be.
    combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return combo


def _fill(combo: QComboBox, items: list[tuple[str, str]], chosen: str) -> None:
    """Show these items; a combo that already shows them is left alone, as it may be open."""
    present = [(combo.itemData(k), combo.itemText(k)) for k in range(combo.count())]
    with QSignalBlocker(combo):
        if present != items:
            combo.clear()
            for data, text in items:
                combo.addItem(text, data)
        combo.setCurrentIndex(max(0, combo.findData(chosen)))
