"""One sample: its picture, the trigger found for its class, all facts, and tags to put on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from inspector.case import TagKind
from inspector.case.sample_maps import SampleMaps, sample_maps
from inspector.gui.array_table import tooltip
from inspector.gui.chip import chip
from inspector.gui.empty_page import EmptyOr
from inspector.gui.end_typing import end_typing
from inspector.gui.facts_table import FactsTable
from inspector.gui.pixel_view import PixelView, stamped, to_image, to_pixels
from inspector.gui.plain import plain
from inspector.gui.sample_facts import Fact, class_name, facts_of
from inspector.gui.sample_menu import pop_up_sample_menu
from inspector.gui.seen_area import seen_area
from inspector.gui.trigger_results import Trigger, triggers_of
from inspector.gui.when_shown import WhenShown
from inspector.gui.workspace import Workspace

_TAGS_ABREAST = 3


class SamplePanel(WhenShown):
    """Shows the current sample; tags go to the whole selection when there is one."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._row = self._pinned_row = -1
        self._triggers: dict[int, Trigger] = {}
        self._maps: list[SampleMaps] = []
        self._stale = True
        self._picture = PixelView("sample", self)
        self._pinned = PixelView("pinned", self)
        self._pinned.hide()
        self._stamped = PixelView("with trigger", self)
        self._mask = PixelView("mask", self)
        self._pattern = PixelView("pattern", self)
        self.facts = FactsTable(self)
        self.tag_buttons: dict[str, QPushButton] = {}
        self._kinds: list[TagKind] = []
        self._clear = QPushButton()
        self.note = QLineEdit(self)
        self._goes_to = QLabel(self)
        self._stack = EmptyOr(self, self._build())
        self._stack.page.clicked.connect(self._show_first)
        self.note.returnPressed.connect(self._write_note)
        self._picture.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._picture.customContextMenuRequested.connect(
            lambda at: pop_up_sample_menu(self._picture, workspace, at)
        )
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        workspace.current_changed.connect(self._on_current)
        workspace.tags_changed.connect(self._on_tags)
        workspace.kinds_changed.connect(self._make_buttons)
        workspace.selection_changed.connect(self._say_target)
        workspace.note_requested.connect(self._ask_note)
        workspace.trigger_requested.connect(self._toggle_trigger)
        workspace.saliency_requested.connect(self._toggle_saliency)
        workspace.pin_requested.connect(self._pin)
        self._on_case()

    def _build(self) -> QWidget:
        pictures = QWidget(self)
        grid = QGridLayout(pictures)
        grid.setContentsMargins(4, 4, 4, 2)
        grid.setSpacing(4)
        for at, view in enumerate((self._stamped, self._mask, self._pattern)):
            grid.addWidget(view, 1, at)
        abreast = QHBoxLayout()
        abreast.setSpacing(4)
        abreast.addWidget(self._picture, 1)
        abreast.addWidget(self._pinned, 1)
        grid.addLayout(abreast, 0, 0, 1, 3)
        grid.setRowStretch(0, 3)
        grid.setRowStretch(1, 2)
        self._goes_to.setTextFormat(Qt.TextFormat.PlainText)
        self._goes_to.setForegroundRole(self._goes_to.foregroundRole().PlaceholderText)
        self._goes_to.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.note.setPlaceholderText("Note … Enter keeps it (M)")
        self.note.setMaxLength(2000)
        self._buttons = QVBoxLayout()
        self._buttons.setSpacing(4)
        lower = QWidget(self)
        column = QVBoxLayout(lower)
        column.setContentsMargins(4, 2, 4, 4)
        column.setSpacing(4)
        column.addWidget(self.facts, 1)
        column.addWidget(self._goes_to)
        column.addLayout(self._buttons)
        column.addWidget(self.note)
        split = QSplitter(Qt.Orientation.Vertical, self)
        split.addWidget(pictures)
        split.addWidget(lower)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 3)
        split.setChildrenCollapsible(False)
        return split

    # ---- what is shown --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the current sample, or why there is none."""
        self._stale = False
        workspace = self._workspace
        case, table = workspace.case, workspace.table
        if case is None or table is None:
            self._stack.show_empty(
                "No samples yet",
                "The picture and all scores of one sample appear here once a dataset is read: "
                "that takes seconds.",
            )
            return
        if not 0 <= workspace.current < workspace.n:
            self._stack.show_empty(
                "No sample chosen",
                "Click a point on the map, a picture in the gallery or a row of the ranking.",
                "Show the most suspicious" if workspace.has_ranking else "Show the first sample",
            )
            return
        self._row = workspace.current
        self._stack.show_content()
        self._show_pictures()
        notes = case.notes.on_samples()

        def facts(row: int) -> list[Fact]:
            note = notes.get(row)
            return facts_of(case, table, row, note.text if note else "")

        beside = facts(self._pinned_row) if self._shows_pin() else None
        self.facts.show_facts(facts(self._row), beside)
        self._mark_tags()

    def _shows_pin(self) -> bool:
        """Whether another sample than the current one is pinned."""
        return 0 <= self._pinned_row < self._workspace.n and self._pinned_row != self._row

    def _show_pictures(self) -> None:
        workspace, row = self._workspace, self._row
        case, table = workspace.case, workspace.table
        assert case is not None
        assert table is not None
        image = workspace.thumbnail(row)
        reason = case.unreadable().get(row)
        why = f"unreadable: {plain(reason, 120)}" if reason else "Pictures appear while signals run"
        self._picture.show_image(image, why)
        area = None if image is None else seen_area(case, image.size())
        caption = self._show_map(area, _caption(case.get("dataset", {}), image))
        self._picture.set_caption(f"pinned (C) · {caption}" if row == self._pinned_row else caption)
        self._pinned.setVisible(self._shows_pin())
        if self._shows_pin():
            self._pinned.show_image(workspace.thumbnail(self._pinned_row), "no picture")
            self._pinned.set_caption(f"pinned: {self._pinned_row:,} (C)")
        trigger = self._trigger_for(row)
        for view in (self._stamped, self._mask, self._pattern):
            view.setVisible(trigger is not None)
        self._picture.show_overlay("trigger", None)
        if trigger is None:
            return
        name = class_name(case, trigger.index)
        self._mask.set_caption(f"{'mean change' if trigger.transforms else 'mask'} → {name}")
        self._mask.show_image(to_image(trigger.mask), "no mask kept")
        self._pattern.show_image(to_image(trigger.pattern), "no pattern kept")
        pixels = to_pixels(image)
        mixed = None
        why = "no picture"
        if trigger.transforms:
            why = "It changes every picture in its own way: see the trigger lab"
        elif pixels is not None and trigger.mask is not None and trigger.pattern is not None:
            mixed = stamped(pixels, trigger.mask, trigger.pattern, trigger.delta)
        self._stamped.show_image(to_image(mixed), why)
        self._picture.show_overlay("trigger", trigger.mask if area else None, area or QRectF())

    def _show_map(self, area: QRectF | None, caption: str) -> str:
        """Lay the first map of the sample over its picture; return the caption with its name."""
        found = next((one for one in self._maps if one.of(self._row) is not None), None)
        shown = None if found is None or area is None else found.of(self._row)
        self._picture.show_overlay("saliency", shown, area or QRectF())
        if found is None or shown is None:
            return caption
        return f"{plain(found.shows, 40)} (H) · {caption}"

    def _trigger_for(self, row: int) -> Trigger | None:
        """Return the trigger found for what the model answers here, else for the label."""
        table = self._workspace.table
        assert table is not None
        for name in ("predicted", "label"):
            if name in table.columns:
                found = self._triggers.get(int(table.columns[name][row]))
                if found is not None:
                    return found
        return None

    def _mark_tags(self) -> None:
        case = self._workspace.case
        carried = set() if case is None or self._row < 0 else set(case.tags.of(self._row))
        for name, button in self.tag_buttons.items():
            button.setChecked(name in carried)
        self._say_target()

    def _say_target(self, _: object = None) -> None:
        case, count = self._workspace.case, self._workspace.selection.count
        writable = case is not None and not case.read_only
        self.note.setEnabled(writable)
        for button in (*self.tag_buttons.values(), self._clear):
            button.setEnabled(writable)
        if not writable:
            self._goes_to.setText("No tags: the case is open for reading only")
            return
        here = "Tags go to this sample" if count <= 1 else f"Tags go to {count:,} selected samples"
        self._goes_to.setText(here)

    # ---- acts -----------------------------------------------------------------------------------

    def _show_first(self) -> None:
        order = self._workspace.ranked(self._workspace.visible)
        if order.size:
            self._workspace.select([order[0]], "new", "sample", int(order[0]))

    def _press(self, name: str) -> None:
        # The button is checkable so that it shows what is; only the case decides what that is.
        self._mark_tags()
        workspace = self._workspace
        rows, case = workspace.targets(), workspace.case
        if case is not None and rows.size and bool(case.tags.mask(name)[rows].all()):
            workspace.untag_rows(rows, name)
            return
        note = self.note.text().strip()
        if workspace.tag_rows(rows, name, note) and note:
            self.note.clear()

    def _write_note(self) -> None:
        text, case = self.note.text().strip(), self._workspace.case
        if not text or case is None or self._row < 0:
            return
        row = self._row
        kept = self._workspace.write_note(text, np.array([row]))
        # The window keeps a note that the disk refused; a second copy would be written twice.
        self.note.clear()
        end_typing(self)
        if kept:
            said = f"Note on sample {row:,} kept in the journal."
            self._workspace.message.emit("done", said)

    def _ask_note(self, row: int) -> None:
        if row == self._row and not self._stack.is_empty:
            self.note.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self.note.selectAll()

    def _toggle_trigger(self, row: int) -> None:
        """Show or hide the trigger over the picture, or say why there is none to show."""
        if self._trigger_for(row) is not None:
            self._picture.toggle_overlay("trigger")
            return
        self._workspace.message.emit(
            "info",
            "No trigger was reconstructed for the class of this sample: search for one in the "
            "Trigger lab (Detectors ▸ Search for triggers…).",
        )

    def _toggle_saliency(self, row: int) -> None:
        """Show or hide where the score comes from, or say why nothing is there to show."""
        if any(one.of(row) is not None for one in self._maps):
            self._picture.toggle_overlay("saliency")
            return
        kept = sum(len(one.rows) for one in self._maps)
        self._workspace.message.emit(
            "info",
            f"No saliency is kept for this sample, but for {kept:,} of the most suspicious and some "
            "others."
            if kept
            else "No saliency is kept in this case. Tick Cognitive Distillation under Detectors ▸ "
            "Detectors and their values…: it finds the pixels that keep an answer.",
        )

    def _pin(self, row: int) -> None:
        """Keep a sample beside the ones to come; asked for again, or with another pinned, let go."""
        if self._shows_pin() or row == self._pinned_row:
            self._pinned_row = -1
        elif row >= 0:
            self._pinned_row = row
        self._later()

    # ---- signals --------------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._row = self._pinned_row = -1
        self._make_buttons()
        self._on_table({"triggers"})

    def _make_buttons(self) -> None:
        case = self._workspace.case
        kinds = [] if case is None else case.tags.kinds
        if self._kinds == kinds and kinds:
            return
        self._kinds = kinds
        while (item := self._buttons.takeAt(0)) is not None:
            line = item.widget()
            if line is not None:
                line.deleteLater()
        self.tag_buttons = {}
        buttons = []
        for kind in kinds:
            button = QPushButton(f"{kind.key} {plain(kind.name, 16)}".strip())
            button.setIcon(chip(kind.colour))
            button.setIconSize(QSize(10, 10))
            button.setCheckable(True)
            button.setToolTip(tooltip(f"Put “{kind.name}” on, or take it off (key {kind.key})"))
            button.clicked.connect(lambda _=False, name=kind.name: self._press(name))
            self.tag_buttons[kind.name] = button
            buttons.append(button)
        clear = self._clear = QPushButton("0 clear")
        clear.setToolTip("Take all tags off (key 0)")
        clear.clicked.connect(self._workspace.clear_tags)
        for at in range(0, len([*buttons, clear]), _TAGS_ABREAST):
            line = QWidget(self)
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(4)
            for button in [*buttons, clear][at : at + _TAGS_ABREAST]:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                button.setStyleSheet("QPushButton { padding: 4px 3px; }")
                row.addWidget(button, 1)
            self._buttons.addWidget(line)
        self._say_target()

    def _on_table(self, names: object) -> None:
        if isinstance(names, set) and any(
            str(name).startswith(("trigger", "finding")) for name in names
        ):
            case = self._workspace.case
            found = [] if case is None else triggers_of(case)
            self._maps = [] if case is None else sample_maps(case)
            self._triggers = {trigger.index: trigger for trigger in found}
        self._later()

    def _on_current(self, _: int) -> None:
        self.note.clear()
        self._later()

    def _on_tags(self, _: object) -> None:
        self._later()


def _caption(dataset: Any, image: Any) -> str:
    """Return the size of the picture, and that it is reduced if it is."""
    if image is None:
        return "sample"
    here = f"{image.width()} × {image.height()}"
    shape = dataset.get("image_shape") if isinstance(dataset, dict) else None
    if isinstance(shape, list | tuple) and len(shape) >= 2 and shape[0] != image.height():
        return f"reduced from {shape[1]} × {shape[0]} to {here} pixels"
    return f"{here} pixels"
