"""A sample as large as the window lets it be; any key but the arrows closes it again."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.end_typing import end_typing
from inspector.gui.hover_card import describe
from inspector.gui.workspace import Workspace

_NEXT = (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_J)
_PREVIOUS = (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_K)


class QuickLook(QWidget):
    """Covers the window. Pixels stay pixels: a small trigger must not be smoothed away."""

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self._before: QWidget | None = None
        self._workspace = workspace
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.hide()
        workspace.current_changed.connect(self._on_current)

    def toggle(self) -> None:
        """Show the current sample, or close."""
        if self.isVisible() or self._workspace.current < 0:
            self._leave()
            return
        self.setGeometry(self._over.rect())
        self.show()
        self.raise_()
        self._before = self.window().focusWidget()
        self.setFocus()

    def _leave(self) -> None:
        # Whoever had the keyboard gets it back: Qt would give it to the next widget in the row.
        if self.hasFocus():
            if self._before is None or not self._before.isVisible():
                end_typing(self)
            else:
                self._before.setFocus()
        self.hide()

    def _on_current(self, row: int) -> None:
        if row < 0:
            self._leave()
        self.update()

    def event(self, event: QEvent) -> bool:
        # Escape is a key of the window too, which would clear the selection behind this.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _NEXT:
            self._workspace.move(1)
        elif event.key() in _PREVIOUS:
            self._workspace.move(-1)
        else:
            self._leave()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._leave()

    def paintEvent(self, event: QPaintEvent) -> None:
        row = self._workspace.current
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.veil("#0a0c0f", 225))
        if row < 0:
            return
        lines = describe(self._workspace, row)
        metrics = painter.fontMetrics()
        words = len(lines) * metrics.height() + 24
        room = QSize(self.width() - 80, self.height() - words - 80)
        image = self._workspace.thumbnail(row)
        if image is not None:
            # A whole factor keeps every pixel the same size.
            factor = max(1, min(room.width() // image.width(), room.height() // image.height()))
            side = image.size() * factor
            place = QRect(QPoint((self.width() - side.width()) // 2, 40), side)
            painter.drawImage(place, image)
        top = self.height() - words
        for number, line in enumerate(lines):
            painter.setPen(QColor(theme.TEXT if number < 2 else theme.MUTED))
            area = QRect(20, top + number * metrics.height(), self.width() - 40, metrics.height())
            shown = metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, area.width())
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, shown)
