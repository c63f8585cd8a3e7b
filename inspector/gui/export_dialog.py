"""Write a cleaned dataset: what would go per class, where to, then progress and the outcome."""

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
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import theme
from inspector.gui.array_table import ArrayColumn, ArrayTable, count
from inspector.gui.chip import chip
from inspector.gui.path_field import PathField
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

DROPPED_AT_FIRST = ("poison", "suspect")
STEPS = 1000
_ABREAST = 4


class ExportDialog(QDialog):
    """Choose tags and a new folder; nothing is written before the analyst presses Export."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export cleaned dataset")
        self._workspace = workspace
        self._running = False
        self.target = PathField("new", "New folder for the cleaned dataset", self)
        self.tags: dict[str, QCheckBox] = {}
        self.table = ArrayTable(self)
        self.summary = QLabel(self)
        self.problem = QLabel(self)
        self.bar = QProgressBar(self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.go = QPushButton("Export", self)
        self._build()
        self.target.changed.connect(self._check)
        workspace.job_event.connect(self._on_event)
        workspace.tags_changed.connect(self.recount)
        self._suggest_target()
        self.recount()

    def _build(self) -> None:
        for label in (self.summary, self.problem):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar.setRange(0, STEPS)
        self.bar.hide()
        self.go.setProperty("primary", True)
        self.go.setDefault(True)
        self.buttons.addButton(self.go, QDialogButtonBox.ButtonRole.ActionRole)
        self.go.clicked.connect(self._on_go)
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
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addWidget(QLabel("Leave out samples tagged", self))
        column.addLayout(boxes)
        column.addWidget(self.table, 1)
        column.addWidget(self.summary)
        column.addWidget(QLabel("Write to", self))
        column.addWidget(self.target)
        column.addWidget(self.bar)
        column.addWidget(self.problem)
        column.addWidget(self.buttons)
        self.resize(600, 520)

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
        """Count again what would go, class by class."""
        case, table = self._workspace.case, self._workspace.table
        if case is None or table is None:
            self._check()
            return
        names, labels, gone = case.class_names, table.columns["label"], self.dropped()

        def per_class(rows: NDArray[np.bool_]) -> NDArray[np.intp]:
            known = rows & (labels >= 0) & (labels < len(names))
            return np.bincount(labels[known], minlength=len(names))

        before, after = per_class(np.ones(labels.size, bool)), per_class(~gone)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(before > 0, 100.0 * (before - after) / before, np.nan)
        alarmed = [
            theme.VERDICT_COLOURS["medium"] if was and not left else ""
            for was, left in zip(before, after)
        ]
        self.table.fill(
            [
                ArrayColumn("class", [plain(name, 80) for name in names], colours=alarmed),
                ArrayColumn("before", before, count),
                ArrayColumn("left out", before - after, count),
                ArrayColumn("after", after, count, colours=alarmed),
                ArrayColumn("% left out", share, _percent),
            ]
        )
        total, kept = gone.size, int((~gone).sum())
        emptied = sum(map(bool, alarmed))
        warning = (
            f" {emptied} class{'' if emptied == 1 else 'es'} would be empty." if emptied else ""
        )
        source = next((item for item in case.evidence() if item.role == "data"), None)
        place = f" The source {plain(source.path, 200)} is only read." if source else ""
        self.summary.setText(
            f"{total - kept:,} of {total:,} samples are left out, {kept:,} are written in the "
            f"format of the source, with removed.csv, kept.csv and manifest.sha256.{warning}{place}"
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

    def _say(self, level: str, text: str) -> None:
        colour = theme.VERDICT_COLOURS.get(level) or theme.MESSAGE_COLOURS[level]
        self.problem.setStyleSheet(f"color: {colour};")
        self.problem.setText(plain(text, 600))

    def _suggest_target(self) -> None:
        case = self._workspace.case
        if case is None:
            return
        number, place = 1, case.exports / "cleaned"
        while os.path.lexists(place):
            number += 1
            place = case.exports / f"cleaned-{number}"
        self.target.set_path(place)

    # ---- the job --------------------------------------------------------------------------------

    def _on_go(self) -> None:
        target = self.target.path()
        if self.problem_of() or target is None:
            self._check()
            return
        if not self._workspace.start_export(target, self.dropped_tags()):
            self._say("error", "The export could not be started.")
            return
        self._set_running(True)
        self._say("info", "Writing …")

    def _set_running(self, running: bool) -> None:
        self._running = running
        self.bar.setVisible(running)
        self.bar.setRange(0, 0)
        for widget in (self.go, self.target, self.table, *self.tags.values()):
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
                f"{result.get('target', '')}",
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


def _percent(value: Any) -> str:
    return "–" if value != value else f"{value:.1f}"
