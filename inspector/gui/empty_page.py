"""What a panel shows while it has nothing: why, what fills it, how long, and one button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QStackedLayout, QVBoxLayout, QWidget


class EmptyPage(QWidget):
    """A centred sentence or two and at most one button.

    Signals
    -------
    clicked
        The button was pressed.
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel(self)
        self.text = QLabel(self)
        self.button = QPushButton(self)
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        for label in (self.title, self.text):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            # A label that wraps asks for the width of a whole line unless it is told otherwise.
            label.setMinimumWidth(120)
        self.text.setMaximumWidth(560)
        self.text.setForegroundRole(self.text.foregroundRole().PlaceholderText)
        self.button.clicked.connect(self.clicked)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        column.addStretch(1)
        column.addWidget(self.title)
        # Not by alignment: a wrapped label that is aligned gets its smallest width.
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.text, 100)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def say(self, title: str, text: str, button: str = "") -> None:
        """Show why it is empty and what to do; without ``button`` there is none."""
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.button.setText(button)
        self.button.setVisible(bool(button))


class EmptyOr(QStackedLayout):
    """Either the panel's content or its empty page.

    Parameters
    ----------
    owner : QWidget
        The panel that gets this layout.
    content : QWidget
        What it shows once there is something.
    """

    def __init__(self, owner: QWidget, content: QWidget) -> None:
        super().__init__(owner)
        self.page = EmptyPage(owner)
        self.content = content
        self.addWidget(self.page)
        self.addWidget(content)

    def show_content(self) -> None:
        """Show the content."""
        self.setCurrentWidget(self.content)

    def show_empty(self, title: str, text: str, button: str = "") -> None:
        """Show the empty page with these words."""
        self.page.say(title, text, button)
        self.setCurrentWidget(self.page)

    @property
    def is_empty(self) -> bool:
        """Whether the empty page is shown."""
        return self.currentWidget() is self.page
