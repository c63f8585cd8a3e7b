"""What engine and window have said, newest last; for finding out why, not for the record."""

from __future__ import annotations

import datetime as dt
from typing import Any

from PySide6.QtGui import QColor, QFontDatabase, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from inspector.gui import theme
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

LINES = 5000
"""Lines that are kept; the journal is what lasts."""
_LONGEST = 4000


class LogPanel(QWidget):
    """Plain lines with time and level."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setUndoRedoEnabled(False)
        self.text.setMaximumBlockCount(LINES)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setPlaceholderText(
            "Nothing said yet. An analysis writes here what it reads, skips and finds."
        )
        copy = QPushButton("Copy all", self)
        clear = QPushButton("Empty", self)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        clear.clicked.connect(self.text.clear)
        hint = QLabel(f"The last {LINES:,} lines. What was done stands in History.", self)
        hint.setForegroundRole(hint.foregroundRole().PlaceholderText)
        row = QHBoxLayout()
        row.addWidget(hint, 1)
        row.addWidget(copy)
        row.addWidget(clear)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.text, 1)
        column.addLayout(row)
        workspace.job_event.connect(self._on_event)
        workspace.message.connect(self.say)

    def say(self, level: str, text: str) -> None:
        """Add a message; line breaks start lines of their own, anything else odd is spelled out."""
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2
        time = dt.datetime.now().strftime("%H:%M:%S")
        lines = [plain(line, _LONGEST) for line in text.split("\n")] or [""]
        look = QTextCharFormat()
        look.setForeground(
            QColor(theme.MESSAGE_COLOURS.get(level, theme.TEXT) if level != "info" else theme.TEXT)
        )
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        head = "" if self.text.document().isEmpty() else "\n"
        body = "\n".join(
            [f"{time}  {level:<7}  {lines[0]}", *(f"{'':19}{line}" for line in lines[1:])]
        )
        cursor.insertText(head + body, look)
        if at_end:
            bar.setValue(bar.maximum())

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "log":
            self.say(str(event.get("level", "info")), str(event.get("text", "")))
        elif kind == "stage":
            self.say("info", f"{event.get('stage', '')}: {event.get('state', '')}")
        elif kind == "finding":
            self.say("info", f"Finding of {event.get('detector', '')} recorded")
        elif kind in ("done", "cancelled"):
            self.say("done" if kind == "done" else "warning", f"{event.get('job', 'job')} {kind}")
        elif kind == "failed" and event.get("detail"):
            # The one line itself arrives as a message of the workspace.
            self.say("error", str(event["detail"]))
