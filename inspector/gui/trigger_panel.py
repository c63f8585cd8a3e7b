"""The trigger lab: search the pattern that flips predictions to a class, and watch the search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from inspector.gui.elided_label import ElidedLabel
from inspector.gui.empty_page import EmptyOr
from inspector.gui.jobs_panel import duration
from inspector.gui.pixel_view import PixelView, as_pixels, stamped, to_image, to_pixels
from inspector.gui.plain import plain
from inspector.gui.trigger_methods import DEFAULT, MethodBox
from inspector.gui.trigger_plots import LONGEST, ClassBars, CurvePlot
from inspector.gui.trigger_results import Trigger, as_number, triggers_of
from inspector.gui.trigger_tools import TriggerTools
from inspector.gui.workspace import Workspace

CAVEAT = (
    "Nothing found is no proof of absence: clean-label and sinusoid backdoors escape every search. "
    "A small mask that moves nearly every picture suggests one; natural features can do that too."
)
_INDEX = Qt.ItemDataRole.UserRole


class TriggerPanel(QWidget):
    """Chosen classes on the left, the live preview and its course, the classes compared."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._found: dict[int, Trigger] = {}
        self._live: dict[int, Trigger] = {}
        self._shown = -1
        self._running = False
        self._paused = False
        self._left = ""
        self._example: tuple[int, NDArray[np.uint8] | None] = (-1, None)
        self.classes = QListWidget(self)
        self.start = QPushButton("Start", self)
        self.pause = QPushButton("Pause", self)
        self.stop = QPushButton("Stop", self)
        self.state = ElidedLabel("", self)
        self.mask_view = PixelView("mask", self)
        self.pattern_view = PixelView("pattern", self)
        self.stamp_view = PixelView("on a sample", self)
        self.curves = CurvePlot(self)
        self.bars = ClassBars(self)
        self.measure = QComboBox(self)
        self.method = MethodBox(self)
        self.tools = TriggerTools(workspace, self)
        self.stack = EmptyOr(self, self._build())
        self.start.clicked.connect(self._on_start)
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.classes.currentItemChanged.connect(self._on_class)
        self.classes.itemChanged.connect(self._offer)
        self.measure.activated.connect(self._show_bars)
        self.method.activated.connect(self._on_method)
        workspace.current_changed.connect(self._on_current)
        self.bars.clicked.connect(self.show_class)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        workspace.job_event.connect(self._on_event)
        self._on_case()

    def _build(self) -> QWidget:
        self.start.setProperty("primary", True)
        self.start.setToolTip("Search triggers for the ticked classes")
        self.classes.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.classes.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.classes.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.classes.setMinimumWidth(96)
        self.measure.addItem("anomaly index", "anomaly")
        self.measure.addItem("mask size (log L1)", "mask_l1")
        self.measure.setToolTip("What is compared across classes")
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.method)
        ticks = (("All", self.tick_all), ("None", self.tick_none), ("Suspects", self.tick_suspects))
        for word, act in ticks:
            button = QPushButton(word, self)
            button.setToolTip(f"Tick {word.lower()}")
            button.clicked.connect(act)
            top.addWidget(button)
        for button in (self.start, self.pause, self.stop):
            top.addWidget(button)
        top.addWidget(self.state, 1)
        top.addWidget(self.measure)
        pictures = QWidget(self)
        row = QHBoxLayout(pictures)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for view in (self.mask_view, self.pattern_view, self.stamp_view):
            row.addWidget(view)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        for widget in (self.classes, pictures, self.curves, self.bars):
            split.addWidget(widget)
        split.setSizes([130, 330, 230, 310])
        for at, stretch in enumerate((0, 3, 2, 3)):
            split.setStretchFactor(at, stretch)
        split.setChildrenCollapsible(False)
        caveat = ElidedLabel(CAVEAT, self, QPalette.ColorRole.PlaceholderText)
        holder = QWidget(self)
        column = QVBoxLayout(holder)
        column.setContentsMargins(6, 4, 6, 3)
        column.setSpacing(3)
        column.addLayout(top)
        column.addWidget(split, 1)
        column.addWidget(self.tools)
        column.addWidget(caveat)
        return holder

    # ---- classes --------------------------------------------------------------------------------

    def ticked(self) -> list[int]:
        """Return the classes that a search would take."""
        items = (self.classes.item(at) for at in range(self.classes.count()))
        return [item.data(_INDEX) for item in items if item.checkState() == Qt.CheckState.Checked]

    def tick(self, wanted: Iterable[int]) -> None:
        """Tick these classes and no others."""
        chosen = set(wanted)
        with QSignalBlocker(self.classes):
            for at in range(self.classes.count()):
                item = self.classes.item(at)
                on = item.data(_INDEX) in chosen
                item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self._offer()

    def tick_all(self) -> None:
        """Tick every class; only then can classes be compared with each other."""
        self.tick(range(self.classes.count()))

    def tick_none(self) -> None:
        """Tick no class."""
        self.tick(())

    def tick_suspects(self) -> None:
        """Tick the classes that a detector called low or worse."""
        case = self._workspace.case
        rows = [] if case is None else (case.get("outcome") or {}).get("classes", [])
        self.tick(row["index"] for row in rows if row.get("verdict", "none") != "none")

    def show_class(self, index: int) -> None:
        """Show what is known of the trigger of a class."""
        if 0 <= index < self.classes.count():
            self.classes.setCurrentRow(index)

    # ---- what is shown --------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._found, self._live, self._shown = {}, {}, -1
        self._running = self._paused = False
        self._fill_classes()
        if self._workspace.case is not None:
            self.method.choose_best(self._workspace.case)
        self._on_table({"triggers"})

    def _fill_classes(self) -> None:
        case = self._workspace.case
        names = () if case is None else case.class_names
        if [self.classes.item(at).data(_INDEX + 1) for at in range(self.classes.count())] == list(
            names
        ):
            return
        with QSignalBlocker(self.classes):
            self.classes.clear()
            for at, name in enumerate(names):
                item = QListWidgetItem(plain(name, 60), self.classes)
                item.setData(_INDEX, at)
                item.setData(_INDEX + 1, name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked)
            self.classes.setCurrentRow(0 if names else -1)
        self._shown = 0 if names else -1

    def _on_table(self, names: object) -> None:
        case = self._workspace.case
        self._fill_classes()
        if case is None or not case.get("model"):
            self.stack.show_empty(
                "No model to search in yet",
                "An analysis opens the model. Then a search takes seconds per class for small "
                "pictures and minutes per class for photographs on cpu.",
            )
            return
        self.stack.show_content()
        if isinstance(names, set) and any(
            str(name).startswith(("trigger", "finding")) for name in names
        ):
            self.method.offer(case)
            found = triggers_of(case, self.method.name)
            self._found = {trigger.index: trigger for trigger in found}
        self._offer()
        self._show()
        self._show_bars()

    def _on_method(self, _: object = None) -> None:
        self._on_table({"triggers"})

    def _on_current(self, _: object = None) -> None:
        if not self._running and self.isVisible():
            self._show()

    def _offer(self, _: object = None) -> None:
        self.start.setEnabled(not self._running and bool(self.ticked()))
        self.pause.setEnabled(self._running)
        self.stop.setEnabled(self._running)
        self.pause.setText("Resume" if self._paused else "Pause")

    def _trigger(self, index: int) -> Trigger | None:
        """Return what is known of a class, of the running search before what is recorded."""
        return self._live.get(index) or self._found.get(index)

    def _show(self) -> None:
        trigger = self._trigger(self._shown)
        empty = "searching …" if self._running else "not searched yet"
        mask = None if trigger is None else trigger.mask
        pattern = None if trigger is None else trigger.pattern
        self.mask_view.show_image(to_image(mask), empty)
        self.pattern_view.show_image(to_image(pattern), empty)
        example = self._example_pixels()
        mixed = None
        if trigger and mask is not None and pattern is not None and example is not None:
            mixed = stamped(example, mask, pattern, trigger.delta)
        self.stamp_view.show_image(to_image(mixed), empty)
        views = {"mask": self.mask_view, "pattern": self.pattern_view, "stamped": self.stamp_view}
        known = None if self._running else trigger
        self.tools.use(known, {word: view.image for word, view in views.items()})
        if trigger is None:
            self.curves.show_course((), (), ())
            if not self._running:
                self.state.setText("")
            return
        self.curves.show_course(trigger.steps, trigger.losses, trigger.successes)
        self.state.setText(self._said(trigger))

    def _said(self, trigger: Trigger) -> str:
        case = self._workspace.case
        name = (
            ""
            if case is None or trigger.index >= len(case.class_names)
            else case.class_names[trigger.index]
        )
        words = [f"→ {plain(name, 40)}"]
        if trigger.success == trigger.success:
            low, high = trigger.interval
            between = f" ({low:.0%}–{high:.0%})" if low == low and high == high else ""
            words.append(f"success {trigger.success:.1%}{between}")
        if trigger.mask_l1 == trigger.mask_l1:
            words.append(f"mask {trigger.mask_l1:.1f} px")
        moved, shuffled = trigger.controls
        if moved == moved and shuffled == shuffled:
            words.append(f"moved {moved:.0%}, shuffled {shuffled:.0%}")
        if trigger.anomaly == trigger.anomaly:
            known = trigger.threshold == trigger.threshold
            limit = f" (threshold {trigger.threshold:.1f})" if known else ""
            words.append(f"anomaly {trigger.anomaly:.1f}{limit}")
        if trigger.index in self._live and trigger.steps:
            words.insert(1, f"step {trigger.steps[-1]:,.0f}{self._left}")
        return " · ".join(words)

    def _example_pixels(self) -> NDArray[np.uint8] | None:
        """Return the current sample, or one of another class while there is none."""
        current = self._workspace.current
        pixels = to_pixels(self._workspace.thumbnail(current)) if current >= 0 else None
        self.stamp_view.set_caption("on a sample" if pixels is None else f"on sample {current:,}")
        return self._sample_of_another_class() if pixels is None else pixels

    def _sample_of_another_class(self) -> NDArray[np.uint8] | None:
        """Return a picture of another class than the one shown, the same every time."""
        if self._example[0] == self._shown and self._example[1] is not None:
            return self._example[1]
        table, pixels = self._workspace.table, None
        if table is not None and "label" in table.columns:
            for row in np.flatnonzero(table.columns["label"] != self._shown)[:20]:
                pixels = to_pixels(self._workspace.thumbnail(int(row)))
                if pixels is not None and pixels.any():
                    break
        self._example = (self._shown, pixels)
        return pixels

    def _show_bars(self, _: object = None) -> None:
        case = self._workspace.case
        found = [self._found[at] for at in sorted(self._found)]
        names = (
            []
            if case is None
            else [
                plain(case.class_names[t.index])
                if t.index < len(case.class_names)
                else str(t.index)
                for t in found
            ]
        )
        if self.measure.currentData() == "anomaly":
            values = [t.anomaly for t in found]
            threshold = next(
                (t.threshold for t in found if t.threshold == t.threshold), float("nan")
            )
        else:
            values = [float(np.log10(t.mask_l1)) if t.mask_l1 > 0 else float("nan") for t in found]
            threshold = float("nan")
        self.bars.show_bars(
            [t.index for t in found], names, values, [t.significant for t in found], threshold
        )

    # ---- the job --------------------------------------------------------------------------------

    def _on_start(self) -> None:
        wanted = self.ticked()
        method = self.method.name
        settings = {} if method == DEFAULT else {"methods": [method]}
        if wanted and self._workspace.start_trigger(wanted, **settings):
            self._live = {}
            self._set_running(True)
            self.state.setText(f"Searching {len(wanted)} class{'' if len(wanted) == 1 else 'es'} …")
            self.show_class(wanted[0])

    def _on_pause(self) -> None:
        if self._paused:
            self._workspace.resume_job()
        else:
            self._workspace.pause_job()

    def _on_stop(self) -> None:
        self._workspace.cancel_job()
        self.stop.setEnabled(False)
        self.state.setText("Stopping … classes that are finished are not searched again.")

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "preview" and event.get("name") == "trigger":
            self._on_preview(event)
        elif kind == "progress" and self._running:
            left = event.get("seconds_left")
            self._left = f", {duration(left)} left" if isinstance(left, int | float) else ""
        elif kind in ("paused", "resumed") and self._running:
            self._paused = kind == "paused"
            self._offer()
        elif kind in ("done", "failed", "cancelled") and event.get("job") == "trigger":
            self._live = {}
            self._set_running(False)
            self._show()
            if kind != "done":
                said = (
                    event.get("what") if kind == "failed" else "Stopped; finished classes are kept."
                )
                self.state.setText(plain(said or kind, 300))

    def _on_preview(self, event: dict[str, Any]) -> None:
        index = event.get("class")
        if not isinstance(index, int) or not 0 <= index < self.classes.count():
            return
        if not self._running:
            self._set_running(True)
        before = self._live.get(index, Trigger(index))
        mask, pattern = as_pixels(event.get("mask")), as_pixels(event.get("pattern"))
        step = as_number(event.get("step"))
        steps = before.steps[-LONGEST:]
        self._live[index] = Trigger(
            index,
            before.mask if mask is None else mask[:, :, :1],
            before.pattern if pattern is None else pattern,
            as_number(event.get("success")),
            mask_l1=as_number(event.get("mask_l1")),
            steps=(*steps, step if step == step else len(steps)),
            losses=(*before.losses[-LONGEST:], as_number(event.get("loss"))),
            successes=(*before.successes[-LONGEST:], as_number(event.get("success"))),
        )
        if index != self._shown:
            self.show_class(index)
        else:
            self._show()

    def _set_running(self, running: bool) -> None:
        self._running, self._paused, self._left = running, False, ""
        self.method.setEnabled(not running)
        self._offer()

    def _on_class(self, item: QListWidgetItem | None, _: object = None) -> None:
        self._shown = -1 if item is None else int(item.data(_INDEX))
        self._show()
