"""The journal as the analyst reads it: every act by name, newest last, undo and redo beside it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from inspector.case import Entry
from inspector.gui.array_table import ArrayColumn, ArrayTable, count, tooltip
from inspector.gui.elided_label import ElidedLabel
from inspector.gui.empty_page import EmptyOr
from inspector.gui.plain import plain
from inspector.gui.turns import soon
from inspector.gui.when_shown import WhenShown
from inspector.gui.workspace import Workspace

SHOWN = 2000
"""Newest entries that are listed; `inspector` keeps them all."""
_QUIET = ("digest", "replaces", "rows", "count", "tag", "of", "what", "key")


class HistoryPanel(WhenShown):
    """Rows of the journal; a click shows all of an entry with its hash."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._entries: list[Entry] = []
        self._stale = True
        self.undo = QPushButton("Undo", self)
        self.redo = QPushButton("Redo", self)
        self._head = ElidedLabel("", self, QPalette.ColorRole.PlaceholderText)
        self.table = ArrayTable(self)
        self.detail = QPlainTextEdit(self)
        self.detail.setReadOnly(True)
        self.detail.setPlaceholderText("Click an entry to read all of it.")
        self.detail.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.detail.setMinimumWidth(160)
        self.stack = EmptyOr(self, self._build())
        self.undo.clicked.connect(workspace.undo)
        self.redo.clicked.connect(workspace.redo)
        self.table.picked.connect(self._on_picked)
        workspace.case_changed.connect(self._later)
        workspace.table_changed.connect(self._on_table)
        workspace.tags_changed.connect(self._later)
        workspace.message.connect(self._later)
        workspace.job_event.connect(self._on_event)
        self.refresh()

    def _build(self) -> QWidget:
        row = QHBoxLayout()
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        row.addWidget(self._head, 1)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.table)
        split.addWidget(self.detail)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        holder = QWidget(self)
        column = QVBoxLayout(holder)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(split, 1)
        return holder

    def refresh(self) -> None:
        """Read the journal anew; stay at the end if the end was in view."""
        self._stale = False
        case = self._workspace.case
        if case is None:
            self._entries = []
            self.stack.show_empty(
                "No case open",
                "Everything done in a case is recorded here, and tags can be taken back from here.",
            )
            return
        self.stack.show_content()
        entries = case.journal.entries(SHOWN)
        if [entry.hash for entry in entries[-1:]] != [entry.hash for entry in self._entries[-1:]]:
            self._show(entries)
        tags = case.tags
        can_write = not case.read_only
        self._offer(self.undo, "Undo", tags.next_undo() if can_write else None)
        self._offer(self.redo, "Redo", tags.next_redo() if can_write else None)

    def _show(self, entries: list[Entry]) -> None:
        bar = self.table.verticalScrollBar()
        at_end = not self._entries or bar.value() >= bar.maximum() - 1
        self._entries = entries
        self.table.fill(
            [
                ArrayColumn("#", np.array([entry.seq for entry in entries]), count),
                ArrayColumn("time (UTC)", [entry.time[:19].replace("T", " ") for entry in entries]),
                ArrayColumn("who", [entry.user for entry in entries]),
                ArrayColumn("act", [sentence(entry) for entry in entries]),
            ]
        )
        self.table.horizontalHeader().setStretchLastSection(True)
        if at_end:
            self.table.scrollToBottom()
        case = self._workspace.case
        if case is not None and case.problems:
            self._head.setText("  ".join(plain(text, 300) for text in case.problems))
        else:
            self._head.setText(f"Head of the journal: {entries[-1].hash}" if entries else "")

    def _offer(self, button: QPushButton, word: str, entry: Entry | None) -> None:
        button.setEnabled(entry is not None)
        said = "" if entry is None else tooltip(f"{word} {plain(sentence(entry), 120)}")
        button.setToolTip(said)

    def _on_picked(self, at: int, _: object) -> None:
        if not 0 <= at < len(self._entries):
            return
        entry = self._entries[at]
        details = json.dumps(entry.details, indent=1, ensure_ascii=True, default=str)
        lines = [
            f"entry  {entry.seq}",
            f"time   {entry.time}",
            f"who    {plain(entry.user, 80)}",
            f"act    {plain(entry.act, 80)}",
            f"hash   {entry.hash}",
            "",
            *(plain(line, 1000) for line in details.split("\n")),
        ]
        self.detail.setPlainText("\n".join(lines))

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") in ("done", "failed", "cancelled", "stage", "finding"):
            soon(self, self._later)

    def _on_table(self, _: object = None) -> None:
        soon(self, self._later)


def sentence(entry: Entry) -> str:
    """Return an entry in words: ``tag poison on 318 samples``."""
    details = entry.details
    words = [entry.act]
    if entry.act in ("undo", "redo"):
        words.append(
            f"of #{details.get('of')}: {details.get('what', '')} {details.get('tag') or ''}"
        )
    elif "tag" in details:
        words.append(str(details["tag"]))
    if isinstance(details.get("count"), int):
        samples = details["count"]
        words.append(f"on {samples:,} sample{'' if samples == 1 else 's'}")
    elif isinstance(details.get("rows"), list):
        words.append(f"on {', '.join(str(row) for row in details['rows'][:5])}")
    if isinstance(details.get("key"), str) and entry.act != "evidence":
        words.append(details["key"])
    rest = [
        f"{name} {value}" for name, value in details.items() if name not in _QUIET and _short(value)
    ]
    text = " ".join(word.strip() for word in words if word)
    return plain(f"{text} · {', '.join(rest)}" if rest else text, 240)


def _short(value: Any) -> bool:
    return isinstance(value, int | float | str) and value != "" and len(str(value)) <= 80
