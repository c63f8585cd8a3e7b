"""A line for several paths; blanks part them, so paths with blanks stand in quotation marks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget


class PathsField(QWidget):
    """Paths to type, to look for, or to drop; they stay in the order given.

    Parameters
    ----------
    hint : str
        Shown while it is empty.

    Signals
    -------
    changed
        The text is another one.
    """

    changed = Signal()

    def __init__(self, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hint = hint
        self.setAcceptDrops(True)
        self.line = QLineEdit(self)
        self.line.setPlaceholderText(hint)
        self.line.setAcceptDrops(False)
        self.line.textChanged.connect(self.changed)
        button = QPushButton("Files…", self)
        button.setAutoDefault(False)
        button.clicked.connect(self._find)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        row.addWidget(button)
        self.setFocusProxy(self.line)

    def paths(self) -> tuple[Path, ...]:
        """Return the paths, absolute, in their order."""
        text = self.line.text().strip()
        try:
            parts = shlex.split(text)
        except ValueError:  # A quotation mark without its partner belongs to a name.
            parts = [text]
        return tuple(Path(part).expanduser().absolute() for part in parts)

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Put paths into the line."""
        self.line.setText(shlex.join(map(str, paths)))

    def _find(self) -> None:
        known = self.paths()
        start = str(known[-1].parent if known else Path.home())
        found, _ = QFileDialog.getOpenFileNames(self, self._hint, start)
        self._add(found)

    def _add(self, found: Sequence[str]) -> None:
        new = [Path(text) for text in found if Path(text) not in self.paths()]
        if new:
            self.set_paths((*self.paths(), *new))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self._add([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()
