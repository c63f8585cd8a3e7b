"""A panel that redraws when it is seen: one behind another tab costs nothing."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget


class WhenShown(QWidget):
    """Base of panels with a `refresh` that can wait until they are shown."""

    _stale = False

    def refresh(self) -> None:
        """Read the case anew; a panel sets `_stale` back to False here."""
        raise TypeError(f"{type(self).__name__} has no refresh")

    def _later(self, *_: object) -> None:
        """Redraw now, or when shown again."""
        if self.isVisible() or not self.window().isVisible():
            self.refresh()
        else:
            self._stale = True

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self.refresh()
