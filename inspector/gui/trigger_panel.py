"""The trigger lab: search the pattern that flips predictions to a class, and watch the search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSplitter, QVBoxLayout, QWidget

from inspector.case import Case, trigger_document, trigger_sentence
from inspector.gui.array_table import tooltip
from inspector.gui.elided_label import ElidedLabel
from inspector.gui.empty_page import EmptyOr
from inspector.gui.pixel_view import to_pixels
from inspector.gui.plain import plain
from inspector.gui.shadow_dots import beside_words
from inspector.gui.shadows_dialog import comparison_lines
from inspector.gui.trigger_classes import TickedClasses
from inspector.gui.trigger_controls import SearchControls
from inspector.gui.trigger_course import ENDINGS, SearchCourse
from inspector.gui.trigger_methods import DEFAULT
from inspector.gui.trigger_results import Trigger, triggers_of
from inspector.gui.trigger_tools import TriggerTools
from inspector.gui.trigger_views import TriggerViews
from inspector.gui.workspace import Workspace

CAVEAT = (
    "Nothing found is no proof of absence: clean-label and sinusoid backdoors escape every search. "
    "A small mask that moves nearly every picture suggests one; natural features can do that too."
)


_FOLLOWED = ("preview", "progress", "paused", "resumed", "finishing")
DOTS = "Dots: shadow networks; diamond: this network; line: from where on a class is significant."
NATURAL = "A natural feature of the class can do that too: look at it, and search the data for it."


class TriggerPanel(QWidget):
    """Classes on the left, what is known of one of them in the middle, acts on the right."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._found: dict[int, Trigger] = {}
        self._ended, self._fresh = "", False
        self._names: list[str] = []
        self._example: tuple[int, NDArray[np.uint8] | None] = (-1, None)
        self.course = SearchCourse()
        self.classes = TickedClasses(self)
        self.controls = SearchControls(workspace, self.course, self)
        self.views = TriggerViews(self)
        self.tools = TriggerTools(workspace, self)
        self.detail = ElidedLabel("", self, QPalette.ColorRole.PlaceholderText)
        self.stack = EmptyOr(self, self._build())
        self.controls.started.connect(self._on_start)
        self.controls.method.activated.connect(self._on_method)
        self.classes.ticked_changed.connect(self._offer)
        self.classes.class_chosen.connect(self._show)
        self.classes.suspects_asked.connect(self.tick_suspects)
        self.views.measure.activated.connect(self._on_measure)
        self.views.class_chosen.connect(self.show_class)
        workspace.current_changed.connect(self._on_current)
        workspace.case_changed.connect(self._on_case)
        workspace.table_changed.connect(self._on_table)
        workspace.job_event.connect(self._on_event)
        self._on_case()

    def _build(self) -> QWidget:
        # Width is what a low and wide dock has: everything but one line of controls and one of
        # words stands side by side, so that the plots get the height.
        self._sets = self.classes.button(self)
        self.controls.row.insertWidget(1, self._sets)
        self._shadows = QPushButton("Shadows…", self)
        self._shadows.setToolTip(
            "Train clean look-alikes of the model, search them alike, and judge each class beside "
            "itself in them; the budget is shown first"
        )
        ask = self._workspace.command_requested
        self._shadows.clicked.connect(lambda _=False: ask.emit("shadows"))
        self.controls.row.insertWidget(3, self._shadows)
        self.controls.row.addWidget(self.views.measure)
        split = QSplitter(self)
        split.addWidget(self.classes)
        split.addWidget(self.views)
        split.setSizes([130, 800])
        split.setStretchFactor(1, 1)
        split.setChildrenCollapsible(False)
        middle = QHBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(split, 1)
        middle.addWidget(self.tools)
        words = QHBoxLayout()
        words.setSpacing(12)
        words.addWidget(self.detail, 3)
        words.addWidget(self.tools.said, 2)
        holder = QWidget(self)
        column = QVBoxLayout(holder)
        column.setContentsMargins(6, 4, 6, 2)
        column.setSpacing(3)
        column.addWidget(self.controls)
        column.addLayout(middle, 1)
        column.addLayout(words)
        return holder

    # ---- classes --------------------------------------------------------------------------------

    def tick_suspects(self) -> None:
        """Tick the classes that a detector called low or worse."""
        case = self._workspace.case
        rows = [] if case is None else (case.get("outcome") or {}).get("classes", [])
        self.classes.tick(row["index"] for row in rows if row.get("verdict", "none") != "none")

    def show_class(self, index: int) -> None:
        """Show what is known of the trigger of a class."""
        if 0 <= index < self.classes.count():
            self.classes.setCurrentRow(index)

    # ---- what is shown --------------------------------------------------------------------------

    def _on_case(self, _: object = None) -> None:
        self._found, self._ended = {}, ""
        self.course.end()
        if self._workspace.case is not None:
            self.controls.method.choose_best(self._workspace.case)
        self._on_table({"triggers"})
        self._show_most_telling()

    def _show_most_telling(self) -> None:
        """Show the class whose trigger is significant; the most unusual one of several."""
        flagged = [trigger for trigger in self._found.values() if trigger.significant]
        if flagged:
            self.show_class(max(flagged, key=lambda trigger: trigger.anomaly).index)

    def _on_table(self, names: object) -> None:
        case = self._workspace.case
        known = () if case is None else case.class_names
        self._names = [plain(name) for name in known]
        self.classes.show_names(known)
        if case is None or not case.get("model"):
            self.stack.show_empty(
                "No model to search in yet",
                "An analysis opens the model. Then a search takes seconds per class for small "
                "pictures and minutes per class for photographs on cpu.",
            )
            return
        self.stack.show_content()
        told = isinstance(names, set) and any(
            str(name).startswith(("trigger", "finding")) for name in names
        )
        if told:
            self.controls.method.offer(case)
            found = triggers_of(case, self.controls.method.name)
            self._found = {trigger.index: trigger for trigger in found}
            if self._fresh:
                self._fresh = False
                self._show_most_telling()
        self._offer()
        self._show()
        if told:
            self._on_measure()
        else:
            self._compare()

    def _standing_words(self, case: Case) -> str:
        """Say what the searches found so far, and what they cannot show."""
        if not self._found:
            return CAVEAT
        document = trigger_document(case)
        beside = " ".join(comparison_lines(document, self.controls.method.name))
        self.views.dots.setToolTip(tooltip(f"{DOTS} {beside}"))
        if beside and self.views.besides:
            return beside
        found = any(row["significant"] for row in document["classes"])
        judged = any(not row.get("stopped_early") for row in document["classes"])
        # Where nothing was found the sentence itself says what that does not show.
        more = NATURAL if found else "" if judged else CAVEAT
        return plain(f"{trigger_sentence(document)} {more}", 600)

    def _on_method(self, _: object = None) -> None:
        self._ended = ""
        self._on_table({"triggers"})

    def _on_current(self, _: object = None) -> None:
        if not self.course.running and self.isVisible():
            self._show()

    def _offer(self) -> None:
        self.controls.offer(bool(self.classes.ticked()))
        for button in (self._sets, self._shadows):
            button.setVisible(not self.course.running)

    def _show(self, _: object = None) -> None:
        index, running = self.classes.chosen, self.course.running
        # What is known of the running search goes before what is recorded.
        trigger = self.course.live.get(index) or self._found.get(index)
        empty = "searching …" if running and self.course.concerns(index) else "not searched yet"
        self.views.show_trigger(trigger, self._example_pixels(index), empty)
        self.tools.use(None if running else trigger, self.views.images)
        self.detail.setText("" if trigger is None else self._said(trigger))

    def _said(self, trigger: Trigger) -> str:
        name = self._names[trigger.index] if trigger.index < len(self._names) else ""
        words = [f"→ {name[:40]}"]
        if trigger.index in self.course.live and trigger.steps:
            words.append(f"step {trigger.steps[-1]:,.0f}")
        if trigger.success == trigger.success:
            low, high = trigger.interval
            between = f" ({low:.0%}–{high:.0%})" if low == low and high == high else ""
            words.append(f"success {trigger.success:.1%}{between}")
        if trigger.mask_l1 == trigger.mask_l1:
            what = "change" if trigger.transforms else "mask"
            words.append(f"{what} {'≤ ' if trigger.bound else ''}{trigger.mask_l1:.1f} px")
        if trigger.transforms and trigger.retained == trigger.retained:
            words.append(f"still known {trigger.retained:.0%}")
        moved, shuffled = trigger.controls
        if moved == moved and shuffled == shuffled:
            words.append(f"moved {moved:.0%}, shuffled {shuffled:.0%}")
        if trigger.anomaly == trigger.anomaly:
            known = trigger.threshold == trigger.threshold
            limit = f" (threshold {trigger.threshold:.1f})" if known else ""
            words.append(f"anomaly {trigger.anomaly:.1f}{limit}")
        if trigger.region:
            words.append(f"on {trigger.region}")
        if trigger.beside is not None:
            words.append(beside_words(trigger.beside))
        if trigger.bound:
            words.append("compared early and, not standing out, searched no further")
        if trigger.stopped_early:
            words.append("stopped early: might still shrink, compared with no other class")
        return " · ".join(words)

    def _example_pixels(self, index: int) -> NDArray[np.uint8] | None:
        """Return the current sample, or one of another class while there is none."""
        current = self._workspace.current
        pixels = to_pixels(self._workspace.thumbnail(current)) if current >= 0 else None
        self.views.stamp_view.set_caption(
            "on a sample" if pixels is None else f"on sample {current:,}"
        )
        return self._sample_of_another_class(index) if pixels is None else pixels

    def _sample_of_another_class(self, index: int) -> NDArray[np.uint8] | None:
        """Return a picture of another class than the one shown, the same every time."""
        if self._example[0] == index and self._example[1] is not None:
            return self._example[1]
        table, pixels = self._workspace.table, None
        if table is not None and "label" in table.columns:
            for row in np.flatnonzero(table.columns["label"] != index)[:20]:
                pixels = to_pixels(self._workspace.thumbnail(int(row)))
                if pixels is not None and pixels.any():
                    break
        self._example = (index, pixels)
        return pixels

    def _on_measure(self, _: object = None) -> None:
        self._compare()
        case = self._workspace.case
        if case is not None and not self.course.running:
            self.controls.state.setText(self._ended or self._standing_words(case))

    def _compare(self, _: object = None) -> None:
        if self.course.running and self.course.standings:
            self.views.compare_live(self.course.standings, self._names)
        else:
            found = [self._found[at] for at in sorted(self._found)]
            self.views.compare(found, self._names)

    # ---- the job --------------------------------------------------------------------------------

    def _on_start(self) -> None:
        wanted, method = self.classes.ticked(), self.controls.method.name
        settings: dict[str, Any] = {} if method == DEFAULT else {"methods": [method]}
        if self.classes.to_the_end:
            settings["full"] = True
        if wanted and self._workspace.start_trigger(wanted, **settings):
            self._ended = ""
            self.course.begin(wanted)
            self.classes.show_standings({}, wanted)
            self._offer()
            if self.classes.chosen not in wanted:
                self.show_class(wanted[0])
            self._show()

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind in ENDINGS and event.get("job") == "trigger":
            self._end(event)
            return
        comparing = self.course.comparing
        index = self.course.take(event, self.classes.count())
        if kind in ("started", *ENDINGS):
            self._offer()  # Another job runs now, or no longer.
        if kind not in _FOLLOWED or not self.course.running:
            return
        self._offer()
        if event.get("name") == "trigger-classes" or self.course.comparing != comparing:
            self.classes.show_standings(self.course.standings, self.course.wanted)
            self._compare()
        if index is None:
            return
        if not self.course.concerns(self.classes.chosen):
            self.show_class(index)
        elif index == self.classes.chosen:
            self._show()

    def _end(self, event: dict[str, Any]) -> None:
        """Show what is recorded; how a search without a result ended stays to be read."""
        case = self._workspace.case
        self.course.end()
        self.classes.show_standings({}, ())
        self._offer()
        self._show()
        self._compare()
        if event["event"] == "done":
            self._fresh = True  # What it found comes with the next table.
            said = "" if case is None else (case.get("trigger_summary") or {}).get("said")
            if said:
                self._workspace.message.emit("done", plain(said, 400))
            return
        failed = event["event"] == "failed"
        usual = "Cancelled; classes that were searched through are not searched again."
        said = event.get("what") if failed else event.get("why") or usual
        self._ended = plain(said or "The search failed.", 300)
        self.controls.state.setText(self._ended)
