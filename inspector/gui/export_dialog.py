"""Write a cleaned dataset: what would go, where to, then progress and the outcome."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.errors import InspectorError
from inspector.export import collateral_preview, leftovers, remove_leftovers
from inspector.gui import theme
from inspector.gui.chip import chip
from inspector.gui.export_preview import ExportPreview
from inspector.gui.path_field import PathField
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

DROPPED_AT_FIRST = ("poison", "suspect")
STEPS = 1000
_ABREAST = 4
MODES = ("Cleaned dataset", "Cleaned dataset and quarantine", "Lists only, no data")


class ExportDialog(QDialog):
    """Choose tags and a new folder; nothing is written before the analyst presses Export."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export cleaned dataset")
        self._workspace = workspace
        self._running = False
        self.mode = QComboBox(self)
        self.target = PathField("new", "New folder for the cleaned dataset", self)
        self.quarantine = PathField("new", "New folder for the removed samples", self)
        self.tags: dict[str, QCheckBox] = {}
        self.preview = ExportPreview(self)
        self.summary = QLabel(self)
        self.problem = QLabel(self)
        self.leftover = QLabel(self)
        self.tidy = QPushButton("Delete it", self)
        self.bar = QProgressBar(self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.stop = QPushButton("Cancel the export", self)
        self.go = QPushButton("Export", self)
        self._build()
        self.target.changed.connect(self._check)
        self.quarantine.changed.connect(self._check)
        self.mode.currentIndexChanged.connect(self._on_mode)
        workspace.job_event.connect(self._on_event)
        workspace.tags_changed.connect(self.recount)
        self._suggest_target()
        self._on_mode()
        self.recount()

    def _build(self) -> None:
        for label in (self.summary, self.problem, self.leftover):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.mode.addItems(MODES)
        self.bar.setRange(0, STEPS)
        self.bar.hide()
        self.go.setProperty("primary", True)
        self.go.setDefault(True)
        self.buttons.addButton(self.stop, QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.addButton(self.go, QDialogButtonBox.ButtonRole.ActionRole)
        self.stop.hide()  # The box shows what it is given.
        self.go.clicked.connect(self._on_go)
        self.stop.clicked.connect(self._workspace.cancel_job)
        self.tidy.clicked.connect(self._on_tidy)
        self.buttons.rejected.connect(self.reject)
        boxes = QGridLayout()
        case = self._workspace.case
        kinds = [] if case is None else case.tags.kinds
        counts = {} if case is None else case.tags.counts()
        for at, kind in enumerate(kinds):
            box = QCheckBox(f"{plain(kind.name, 30)} ({counts[kind.name]:,})", self)
            box.setIcon(chip(kind.colour))
            box.setIconSize(QSize(10, 10))
            box.setChecked(kind.name in DROPPED_AT_FIRST and counts[kind.name] > 0)
            box.toggled.connect(self.recount)
            self.tags[kind.name] = box
            boxes.addWidget(box, at // _ABREAST, at % _ABREAST)
        crash = QHBoxLayout()
        crash.addWidget(self.leftover, 1)
        crash.addWidget(self.tidy)
        where = QGridLayout()
        where.setColumnStretch(1, 1)
        self._quarantine_label = QLabel("Quarantine", self)
        for at, (name, field) in enumerate(
            (
                (QLabel("Write", self), self.mode),
                (QLabel("To", self), self.target),
                (self._quarantine_label, self.quarantine),
            )
        ):
            where.addWidget(name, at, 0)
            where.addWidget(field, at, 1)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addWidget(QLabel("Leave out samples tagged", self))
        column.addLayout(boxes)
        column.addWidget(self.preview, 1)
        column.addWidget(self.summary)
        column.addLayout(where)
        column.addLayout(crash)
        column.addWidget(self.bar)
        column.addWidget(self.problem)
        column.addWidget(self.buttons)
        self.resize(700, 620)

    # ---- what would go --------------------------------------------------------------------------

    def dropped_tags(self) -> list[str]:
        """Return the tags whose samples would be left out."""
        return [name for name, box in self.tags.items() if box.isChecked()]

    def dropped(self) -> NDArray[np.bool_]:
        """Return the samples that would be left out, shape (n,)."""
        case = self._workspace.case
        mask = np.zeros(self._workspace.n, bool)
        if case is not None:
            for name in self.dropped_tags():
                mask |= case.tags.mask(name)
        return mask

    def recount(self, _: object = None) -> None:
        """Look again at what would go."""
        case, table = self._workspace.case, self._workspace.table
        if case is None or table is None:
            self.preview.show_preview(None)
            self._check()
            return
        gone = self.dropped()
        try:
            document = collateral_preview(case, gone, tags=self.dropped_tags())
        except InspectorError as error:
            self.preview.show_preview(None)
            self.summary.setText(plain(error, 400))
            self._check()
            return
        self.preview.show_preview(document)
        samples = document["samples"]
        emptied = sum(1 for row in document["classes"] if row["before"] and not row["after"])
        warning = (
            f" {emptied} class{'' if emptied == 1 else 'es'} would be empty." if emptied else ""
        )
        source = next((item for item in case.evidence() if item.role == "data"), None)
        place = f" The source {plain(source.path, 200)} is only read." if source else ""
        self.summary.setText(
            f"{samples['removed']:,} of {samples['before']:,} samples are left out, "
            f"{samples['after']:,} are kept.{warning}{place}"
        )
        self._check()

    def problem_of(self) -> str:
        """Return why it cannot start, in one line; empty when it can."""
        case, target = self._workspace.case, self.target.path()
        if case is None or self._workspace.table is None:
            return "There is nothing to export: analyse a dataset first."
        if case.read_only:
            return "The case is open for reading only; an export is recorded in its journal."
        gone = self.dropped()
        if not gone.any():
            return "No sample carries a chosen tag; the export would be a plain copy."
        if gone.all():
            return "Every sample would be left out; tag fewer."
        if target is None:
            return "Choose a new folder."
        places = [target]
        if self._with_quarantine():
            aside = self.quarantine.path()
            if aside is None:
                return "Choose a new folder for the quarantine."
            if _overlap(target, aside):
                return "The quarantine must lie beside the cleaned dataset, not in or around it."
            places.append(aside)
        return next(filter(None, map(self._problem_of_place, places)), "")

    def _problem_of_place(self, target: Path) -> str:
        case = self._workspace.case
        if case is None:
            return ""
        if os.path.lexists(target):
            return f"{plain(target)} is there already; an export never writes over anything."
        if not target.parent.is_dir():
            return f"The folder {plain(target.parent)} does not exist."
        if not os.access(target.parent, os.W_OK):
            return f"You may not write into {plain(target.parent)}."
        place = Path(os.path.realpath(target))
        for item in case.evidence():
            source = Path(os.path.realpath(item.path))
            if place.is_relative_to(source) or source.is_relative_to(place):
                return "The target lies in or around the evidence, which is never written to."
        return ""

    def _check(self) -> None:
        if self._running:
            return
        problem = self.problem_of()
        self._say("medium", problem)
        self.go.setEnabled(not problem)
        self._look_for_leftovers()

    def _with_quarantine(self) -> bool:
        return self.mode.currentIndex() == 1

    def _on_mode(self, _: object = None) -> None:
        for widget in (self._quarantine_label, self.quarantine):
            widget.setVisible(self._with_quarantine())
        self._check()

    def _leftovers(self) -> list[Path]:
        targets = [self.target.path()]
        if self._with_quarantine():
            targets.append(self.quarantine.path())
        return [folder for target in targets if target is not None for folder in leftovers(target)]

    def _look_for_leftovers(self) -> None:
        found = self._leftovers()
        for widget in (self.leftover, self.tidy):
            widget.setVisible(bool(found))
        if found:
            names = ", ".join(plain(folder.name, 80) for folder in found)
            self.leftover.setText(f"An earlier export stopped half-way and left {names}.")

    def _on_tidy(self) -> None:
        try:
            for target in (self.target.path(), self.quarantine.path()):
                if target is not None:
                    remove_leftovers(target)
        except InspectorError as error:
            self._say("error", str(error))
            return
        self._check()

    def _say(self, level: str, text: str) -> None:
        colour = theme.VERDICT_COLOURS.get(level) or theme.MESSAGE_COLOURS[level]
        self.problem.setStyleSheet(f"color: {colour};")
        self.problem.setText(plain(text, 600))

    def _suggest_target(self) -> None:
        case = self._workspace.case
        if case is None:
            return
        number, name = 1, "cleaned"
        while any(os.path.lexists(case.exports / f"{name}{end}") for end in ("", "-quarantine")):
            number += 1
            name = f"cleaned-{number}"
        self.target.set_path(case.exports / name)
        self.quarantine.set_path(case.exports / f"{name}-quarantine")

    # ---- the job --------------------------------------------------------------------------------

    def _on_go(self) -> None:
        target = self.target.path()
        if self.problem_of() or target is None:
            self._check()
            return
        started = self._workspace.start_export(
            target,
            self.dropped_tags(),
            quarantine=self.quarantine.path() if self._with_quarantine() else None,
            lists_only=self.mode.currentIndex() == 2,
        )
        if not started:
            self._say("error", "The export could not be started.")
            return
        self._set_running(True)
        self._say("info", "Writing …")

    def _set_running(self, running: bool) -> None:
        self._running = running
        self.bar.setVisible(running)
        self.stop.setVisible(running)
        self.bar.setRange(0, 0)
        fields = (self.mode, self.target, self.quarantine, self.preview, self.tidy)
        for widget in (self.go, *fields, *self.tags.values()):
            widget.setEnabled(not running)

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if not self._running:
            return
        if kind == "progress" and str(event.get("stage", "")).startswith("Export"):
            done, total = int(event.get("done") or 0), int(event.get("total") or 0)
            self.bar.setRange(0, STEPS if total else 0)
            self.bar.setValue(done * STEPS // total if total else 0)
            self._say("info", f"{event.get('stage', '')}: {done:,} of {total:,}")
        elif kind in ("done", "failed", "cancelled") and event.get("job") == "export":
            self._set_running(False)
            self._end(event)

    def _end(self, event: dict[str, Any]) -> None:
        if event.get("event") == "done":
            result = event.get("result")
            result = result if isinstance(result, dict) else {}
            kept, removed = int(result.get("kept") or 0), int(result.get("removed") or 0)
            self._say(
                "done",
                f"Written and read back: {kept:,} samples kept, {removed:,} left out, in "
                f"{result.get('target', '')}. Journal head {result.get('head', '')}",
            )
            self.go.setEnabled(False)
            return
        parts = (str(event.get(part, "")) for part in ("what", "why", "fix"))
        self._say(
            "error", " ".join(part for part in parts if part) or "Stopped; nothing was written."
        )

    def reject(self) -> None:
        """Close, but not while it writes."""
        if self._running:
            self._say("info", "Still writing; the dialog closes when it is done.")
            return
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._running:
            self.reject()
            event.ignore()
            return
        super().closeEvent(event)


def _overlap(one: Path, other: Path) -> bool:
    one, other = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return one.is_relative_to(other) or other.is_relative_to(one)
