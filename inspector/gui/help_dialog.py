"""The help pages of ``resources/help``, and the list of keys."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from inspector import places
from inspector.gui.keys import COMMANDS, GESTURES

KEYS = "Keys"
_NO_HTML = (
    QTextDocument.MarkdownFeature.MarkdownNoHTML
    | QTextDocument.MarkdownFeature.MarkdownDialectGitHub
)


class HelpDialog(QDialog):
    """Pages on the left, text on the right; stays open beside the window.

    Parameters
    ----------
    page : str
        Title of the page to begin with.
    """

    def __init__(self, parent: QWidget | None = None, page: str = "") -> None:
        super().__init__(parent)
        self.setWindowTitle("Help")
        self.pages = QListWidget(self)
        self.text = QTextBrowser(self)
        # Help never leads out: a link is text to read.
        self.text.setOpenLinks(False)
        self.text.document().setDocumentMargin(14)
        for title, file in help_pages():
            item = QListWidgetItem(title, self.pages)
            item.setData(Qt.ItemDataRole.UserRole, str(file))
        QListWidgetItem(KEYS, self.pages)
        for at in range(self.pages.count()):
            self.pages.item(at).setSizeHint(QSize(0, self.fontMetrics().height() + 9))
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.pages)
        split.addWidget(self.text)
        split.setSizes([190, 610])
        split.setStretchFactor(1, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(split, 1)
        column.addWidget(buttons)
        self.resize(820, 600)
        self.pages.currentItemChanged.connect(self._on_page)
        self.show_page(page)

    def show_page(self, title: str) -> None:
        """Show a page by its title, the first one when there is none of this title."""
        found = self.pages.findItems(title, Qt.MatchFlag.MatchFixedString) if title else []
        self.pages.setCurrentItem(found[0] if found else self.pages.item(0))

    def _on_page(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        file = item.data(Qt.ItemDataRole.UserRole)
        if file is None:
            text = keys_page()
        else:
            try:
                text = Path(file).read_text(encoding="utf-8")
            except OSError as error:
                text = f"This page cannot be read: {error.strerror}."
        self.text.document().setMarkdown(text, _NO_HTML)
        self.text.moveCursor(QTextCursor.MoveOperation.Start)


def help_pages() -> list[tuple[str, Path]]:
    """Return title and file of every help page: its first heading, else its name."""
    pages = []
    for file in sorted((places.resources() / "help").glob("*.md")):
        try:
            with file.open(encoding="utf-8") as opened:
                first = opened.readline().strip()
        except OSError:
            continue
        title = first.lstrip("# ").strip() if first.startswith("#") else ""
        pages.append((title or file.stem.replace("-", " ").capitalize(), file))
    # The manual is what somebody looks for first, the list of changes what they look for last.
    return sorted(pages, key=lambda page: ("change" in page[1].stem.lower(), page[0].lower()))


def keys_page() -> str:
    """Return all keys as a table in Markdown."""
    lines = ["# Keys", "", "| keys | what they do |", "| --- | --- |"]
    lines += [f"| {_cell(keys)} | {_cell(what)} |" for keys, what in GESTURES]
    lines += [
        f"| {_cell(', '.join(command.keys))} | {_cell(command.title.rstrip('…'))} |"
        for command in COMMANDS
        if command.keys
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
