"""A line for a path with a button that looks for it; a file may also be dropped on it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

_WANTED = {
    "file": ("File…",),
    "folder": ("Folder…",),
    "either": ("Folder…", "File…"),
    "new": ("Place…",),
}


class PathField(QWidget):
    """A path to type, to look for, or to drop.

    Parameters
    ----------
    wants : str
        "file", "folder", "either", or "new" for a folder that does not exist yet.
    hint : str
        Shown while it is empty.

    Signals
    -------
    changed
        The text is another one.
    """

    changed = Signal()

    def __init__(self, wants: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hint = hint
        self.setAcceptDrops(True)
        self.line = QLineEdit(self)
        self.line.setPlaceholderText(hint)
        self.line.setAcceptDrops(False)
        self.line.textChanged.connect(self.changed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        acts = {"File…": self._find_file, "Folder…": self._find_folder, "Place…": self._find_place}
        for word in _WANTED[wants]:
            button = QPushButton(word, self)
            button.setAutoDefault(False)
            button.clicked.connect(acts[word])
            row.addWidget(button)
        self.setFocusProxy(self.line)

    def path(self) -> Path | None:
        """Return the path, None while the line is empty."""
        text = self.line.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def set_path(self, path: Path | None) -> None:
        """Put a path into the line."""
        self.line.setText("" if path is None else str(path))

    def _start(self) -> str:
        path = self.path()
        while path is not None and not path.exists() and path != path.parent:
            path = path.parent
        return str(path or Path.home())

    def _find_file(self) -> None:
        self._take(QFileDialog.getOpenFileName(self, self._hint, self._start())[0])

    def _find_folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self, self._hint, self._start()))

    def _find_place(self) -> None:
        # A dialog for saving, since the folder is not there yet.
        start = str(self.path() or Path.home())
        options = QFileDialog.Option.DontConfirmOverwrite
        self._take(QFileDialog.getSaveFileName(self, self._hint, start, "", "", options)[0])

    def _take(self, text: str) -> None:
        if text:
            self.line.setText(text)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.line.setText(url.toLocalFile())
                event.acceptProposedAction()
                return
