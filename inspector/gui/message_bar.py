"""One line over the work: what went wrong, or what was done. Never a dialog in the way."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from inspector.gui import theme
from inspector.gui.plain import plain

_STAYS = {"info": 5_000, "done": 8_000, "warning": 15_000}


class MessageBar(QFrame):
    """Errors stay until they are dismissed or the next job begins; the rest leaves by itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messages")
        self.kind = ""
        self._text = QLabel(self)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        close = QToolButton(self)
        close.setText("Dismiss")
        close.clicked.connect(self.hide)
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 5, 6, 5)
        line.addWidget(self._text, 1)
        line.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def forget_error(self, *_: object) -> None:
        """Take back an error: something else was begun, of which it would not be true."""
        if self.kind == "error":
            self.hide()

    @property
    def text(self) -> str:
        """What is said."""
        return self._text.text()

    def say(self, kind: str, text: str) -> None:
        """Show a message of one of the kinds "info", "done", "warning", "error"."""
        if kind == "info" and self.kind == "error" and self.isVisible():
            return  # A hint must not push an error away.
        self.kind = kind
        colour = theme.MESSAGE_COLOURS.get(kind, theme.ACCENT)
        self.setStyleSheet(
            theme.shade("#messages { background: #252a33; border: none; border-left: 4px solid ")
            + f"{colour}; }}"
        )
        self._text.setText(plain(text, 1200))
        self.show()
        self._timer.stop()
        if kind in _STAYS:
            self._timer.start(_STAYS[kind])
