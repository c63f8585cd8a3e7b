"""Typing ends: the keyboard goes back to the map, so that the next digit tags and is not text."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget

HOME = "keyboard-home"
"""Object name of the widget that has the keyboard while nobody types."""


def end_typing(widget: QWidget) -> None:
    """Give the keyboard of a widget's window to the map, or to nobody while there is none."""
    home = widget.window().findChild(QWidget, HOME)
    if home is not None and home.isVisible():
        home.setFocus(Qt.FocusReason.OtherFocusReason)
        return
    holder = widget.window().focusWidget()
    if holder is not None:
        holder.clearFocus()


def is_typing(window: QWidget) -> bool:
    """Tell whether a line of text of the window has the keyboard."""
    holder = QApplication.focusWidget() or window.focusWidget()
    return isinstance(holder, QLineEdit | QAbstractSpinBox) and holder.window() is window
