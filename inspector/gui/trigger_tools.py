"""What can be done with a reconstructed trigger: search the data, tag, try, save."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox, QPushButton, QVBoxLayout, QWidget

from inspector.gui.elided_label import ElidedLabel
from inspector.gui.judging import CARRIERS
from inspector.gui.plain import plain
from inspector.gui.trigger_results import Trigger, as_number
from inspector.gui.workspace import Workspace

_FINDING = CARRIERS.partition(":")[0]


class TriggerTools(QWidget):
    """A column of acts on the trigger that the panel shows.

    Attributes
    ----------
    said : ElidedLabel
        What came of the last one; the panel places it.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._trigger: Trigger | None = None
        self._pictures: dict[str, QImage | None] = {}
        self.search = QPushButton("Search the data", self)
        self.tag = QPushButton("Tag all carriers", self)
        self.attempt = QPushButton("Try on the sample", self)
        self.more = QPushButton("More", self)
        self.said = ElidedLabel("", self)
        self.search.setToolTip(
            "Which samples carry this trigger? Scores, ranking and colours follow"
        )
        self.tag.setToolTip("Put the tag suspect on every sample that carries the trigger")
        self.attempt.setToolTip(
            "Ask the model about the current sample: as it is, with the trigger, without the region, "
            "and with the region pasted on samples of other classes"
        )
        menu = QMenu(self.more)
        menu.setToolTipsVisible(True)
        self.save = menu.addAction("Save PNG…", self._on_save)
        self.save.setToolTip("Mask, pattern and stamped sample as pictures")
        check = menu.addAction("Check the cleaning…")
        check.setToolTip("Does the trigger still work after a training without the tagged samples?")
        check.triggered.connect(lambda _=False: workspace.command_requested.emit("check-cleaning"))
        self.more.setMenu(menu)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for button in (self.search, self.tag, self.attempt, self.more):
            button.setStyleSheet("QPushButton { padding: 2px 8px; }")
            column.addWidget(button)
        column.addStretch(1)
        self.search.clicked.connect(self._on_search)
        self.tag.clicked.connect(lambda _=False: workspace.tag_carriers())
        self.attempt.clicked.connect(self._on_attempt)
        workspace.job_event.connect(self._on_event)
        workspace.table_changed.connect(self._on_table)
        workspace.current_changed.connect(self._offer)
        workspace.case_changed.connect(self._on_case)

    def use(self, trigger: Trigger | None, pictures: dict[str, QImage | None]) -> None:
        """Act on this trigger from now on.

        Parameters
        ----------
        trigger : Trigger or None
            None while a search runs or nothing was found.
        pictures : dict
            Images by the word that their files end with.
        """
        self._trigger, self._pictures = trigger, pictures
        self._offer()

    def _say(self, text: str) -> None:
        """Say what came of an act; without a word the line leaves its room to others."""
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def save_to(self, path: Path) -> list[Path]:
        """Write the pictures as ``NAME-mask.png`` and so on; return what was written."""
        stem = path.name.removesuffix(".png") or "trigger"
        written = []
        for word, image in self._pictures.items():
            place = path.with_name(f"{stem}-{word}.png")
            if image is None:
                continue
            if not image.save(str(place)):
                self._workspace.message.emit("error", f"{plain(place.name)} could not be written.")
                break
            written.append(place)
        if written:
            names = ", ".join(plain(place.name, 60) for place in written)
            self._workspace.message.emit("done", f"Written: {names}.")
        return written

    def _offer(self, _: object = None) -> None:
        workspace, trigger = self._workspace, self._trigger
        case = workspace.case
        usable = trigger is not None and trigger.mask is not None and bool(trigger.method)
        free = not workspace.busy
        self.search.setEnabled(usable and free)
        self.attempt.setEnabled(usable and free and workspace.current >= 0)
        self.save.setEnabled(usable)
        self.tag.setEnabled(case is not None and case.has_array(CARRIERS))

    def _on_case(self, _: object = None) -> None:
        self._trigger, self._pictures = None, {}
        self._tell_finding()
        self._offer()

    def _on_table(self, _: object = None) -> None:
        self._tell_finding()
        self._offer()

    def _tell_finding(self) -> None:
        """Say what the last search of the data found."""
        case = self._workspace.case
        finding = None if case is None else case.findings().get(_FINDING)
        if not finding:
            self._say("")
            return
        name = plain((finding.get("parameters") or {}).get("trigger") or "", 60)
        count = finding.get("carriers")
        count = count if isinstance(count, int) else 0
        early = " Stopped early." if finding.get("stopped_early") is True else ""
        self._say(
            f"{count:,} samples carry {name}; ranked as “{_FINDING}”.{early}"
            if count
            else f"No sample carries {name}. That does not show that the data are clean.{early}"
        )

    def _on_search(self) -> None:
        name = self._name()
        if name and self._workspace.start_carriers(name):
            self._say("Searching the data …")
            self._offer()

    def _on_attempt(self) -> None:
        name, row = self._name(), self._workspace.current
        if name and row >= 0 and self._workspace.start_stamp([row], name):
            self._say(f"Asking the model about sample {row:,} …")
            self._offer()

    def _on_save(self) -> None:
        trigger, case = self._trigger, self._workspace.case
        if trigger is None or case is None:
            return
        start = str(case.exports / f"trigger-{trigger.index}-{trigger.method}.png")
        option = QFileDialog.Option.DontConfirmOverwrite
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the trigger", start, "PNG (*.png)", "", option
        )
        if name and self._may_replace(Path(name)):
            self.save_to(Path(name))

    def _may_replace(self, path: Path) -> bool:
        stem = path.name.removesuffix(".png")
        there = [word for word in self._pictures if path.with_name(f"{stem}-{word}.png").exists()]
        if not there:
            return True
        names = ", ".join(f"{plain(stem, 40)}-{word}.png" for word in there)
        answer = QMessageBox.question(self, "Replace?", f"Replace {names}?")
        return answer == QMessageBox.StandardButton.Yes

    def _name(self) -> str:
        trigger = self._trigger
        return "" if trigger is None else f"{trigger.index}:{trigger.method}"

    def _on_event(self, event: dict[str, Any]) -> None:
        kind, job = event.get("event"), event.get("job")
        if kind == "stamped":
            rows = event.get("rows")
            if isinstance(rows, list) and rows and isinstance(rows[0], Mapping):
                self._say(self._answer(rows[0]))
        elif kind in ("done", "failed", "cancelled"):
            if job in ("carriers", "stamp") and kind != "done":
                self._say(plain(event.get("what") or "Stopped.", 200))
            self._offer()
        elif kind == "started":
            self._offer()

    def _answer(self, row: Mapping[str, Any]) -> str:
        """Put the answers about one sample into words."""
        before, after = (self._said_answer(row.get(when)) for when in ("before", "after"))
        belief = row.get("belief")
        usual = as_number(belief[0]) if isinstance(belief, list) and belief else float("nan")
        left, gain = as_number(row.get("without")), as_number(row.get("transplant"))
        words = [f"Sample {row.get('index')}: {before} → with trigger {after}"]
        if left == left and usual == usual:
            words.append(f"without the region {usual:.0%} → {left:.0%} for the trigger's class")
        if gain == gain:
            words.append(f"its region pasted elsewhere adds {gain:+.0%}")
        return " · ".join(words)

    def _said_answer(self, pair: object) -> str:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], int):
            return "?"
        names = self._workspace.class_names
        name = plain(names[pair[0]], 40) if 0 <= pair[0] < len(names) else str(pair[0])
        return f"{name} {as_number(pair[1]):.0%}"
