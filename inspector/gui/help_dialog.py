"""The help pages of ``resources/help`` with their sections, a search, and the list of keys."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence, QShortcut, QTextBlock, QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from inspector import places
from inspector.gui.array_table import tooltip
from inspector.gui.keys import COMMANDS, GESTURES

KEYS = "Keys"
_FILE = int(Qt.ItemDataRole.UserRole)
_SECTION = _FILE + 1
_NO_HTML = (
    QTextDocument.MarkdownFeature.MarkdownNoHTML
    | QTextDocument.MarkdownFeature.MarkdownDialectGitHub
)


class HelpDialog(QDialog):
    """Pages and their sections on the left, text on the right; stays open beside the window.

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
            item.setData(_FILE, str(file))
            for section in sections_of(file):
                below = QListWidgetItem(f"    {section}", self.pages)
                below.setData(_FILE, str(file))
                below.setData(_SECTION, section)
                below.setToolTip(tooltip(section))
        QListWidgetItem(KEYS, self.pages)
        self._page: str | None = ""
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Find in this page (Ctrl+F); Enter goes on")
        self.search.setClearButtonEnabled(True)
        self.found = QLabel(self)
        self.found.setForegroundRole(self.found.foregroundRole().PlaceholderText)
        self.search.textChanged.connect(lambda: self.find_next(again=True))
        self.search.returnPressed.connect(self.find_next)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)
        for at in range(self.pages.count()):
            self.pages.item(at).setSizeHint(QSize(0, self.fontMetrics().height() + 9))
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.pages)
        split.addWidget(self.text)
        split.setSizes([230, 670])
        split.setStretchFactor(1, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        # Enter in the line searches; it would also press the dialog's only button.
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        foot = QHBoxLayout()
        foot.addWidget(self.search, 1)
        foot.addWidget(self.found)
        foot.addWidget(buttons)
        column = QVBoxLayout(self)
        column.addWidget(split, 1)
        column.addLayout(foot)
        self.resize(900, 640)
        self.pages.currentItemChanged.connect(self._on_page)
        self.show_page(page)

    def show_page(self, title: str) -> None:
        """Show a page by its title, the first one when there is none of this title."""
        found = self.pages.findItems(title, Qt.MatchFlag.MatchFixedString) if title else []
        self.pages.setCurrentItem(found[0] if found else self.pages.item(0))

    def find_next(self, again: bool = False) -> None:
        """Go to the next place where the typed words stand, from the top after the last.

        Parameters
        ----------
        again : bool
            Begin with the place where the reader is, as while a word is typed.
        """
        words, cursor = self.search.text().strip(), self.text.textCursor()
        self.found.setText("")
        cursor.setPosition(cursor.selectionStart() if again else cursor.selectionEnd())
        self.text.setTextCursor(cursor)
        if not words or self.text.find(words):
            return
        cursor.movePosition(QTextCursor.MoveOperation.Start)
        self.text.setTextCursor(cursor)
        if not self.text.find(words):
            self.found.setText("not on this page")

    def _on_page(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        file, section = item.data(_FILE), item.data(_SECTION)
        if file != self._page:
            self._page = file
            self.text.document().setMarkdown(_text_of(file), _NO_HTML)
        if section is None:
            self.text.moveCursor(QTextCursor.MoveOperation.Start)
            return
        heading = _heading(self.text.document(), section)
        if heading is not None:
            # From the end of the page back up: the heading then stands in the first line.
            self.text.moveCursor(QTextCursor.MoveOperation.End)
            self.text.setTextCursor(QTextCursor(heading))
            self.text.verticalScrollBar().setValue(
                self.text.verticalScrollBar().value() + self.text.cursorRect().top() - 8
            )


def _text_of(file: str | None) -> str:
    if file is None:
        return keys_page()
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        return f"This page cannot be read: {error.strerror}."


def _heading(document: QTextDocument, section: str) -> QTextBlock | None:
    block = document.begin()
    while block.isValid():
        if block.blockFormat().headingLevel() == 2 and block.text() == section:
            return block
        block = block.next()
    return None


def sections_of(file: Path) -> list[str]:
    """Return the headings of the second level of a page."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.removeprefix("## ").strip() for line in lines if line.startswith("## ")]


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
