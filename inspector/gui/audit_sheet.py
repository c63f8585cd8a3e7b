"""A contact sheet for audits: pictures framed in the colour of their verdict, a key for each."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QImage, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from inspector.gui import theme

_SIDE = 72

VERDICT_KEYS: dict[str, tuple[Qt.Key, str, str]] = {
    "clean": (Qt.Key.Key_C, "C", theme.MESSAGE_COLOURS["done"]),
    "poison": (Qt.Key.Key_X, "X", theme.VERDICT_COLOURS["high"]),
    "mislabelled": (Qt.Key.Key_W, "W", theme.VERDICT_COLOURS["medium"]),
    "unsure": (Qt.Key.Key_U, "U", theme.MUTED),
}
"""Key, its name and colour by verdict."""


class ContactSheet(QListWidget):
    """Shows some samples and says what keys ask for; it judges nothing by itself.

    Signals
    -------
    judged : str
        A key asked for a verdict on the chosen pictures.
    taken_back, finished
        Backspace and Enter.
    """

    judged = Signal(str)
    taken_back = Signal()
    finished = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setMovement(QListWidget.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setGridSize(QSize(_SIDE + 10, _SIDE + 10))
        self.setUniformItemSizes(True)
        self.setAccessibleName("Samples drawn for the audit")

    def fill(self, samples: list[tuple[int, QImage | None, str | None]]) -> None:
        """Show these samples: row, picture, verdict."""
        self.blockSignals(True)
        while self.count() > len(samples):
            self.takeItem(self.count() - 1)
        while self.count() < len(samples):
            self.addItem(QListWidgetItem())
        for at, (row, image, verdict) in enumerate(samples):
            item = self.item(at)
            icon = QIcon(framed := _framed(image, verdict))
            icon.addPixmap(framed, QIcon.Mode.Selected)  # Qt would tint what is to be looked at.
            item.setIcon(icon)
            item.setData(Qt.ItemDataRole.UserRole, row)
            item.setData(
                Qt.ItemDataRole.AccessibleTextRole, f"sample {row}, {verdict or 'not judged'}"
            )
        self.blockSignals(False)

    def chosen(self) -> list[int]:
        """Return the selected rows, or the current one."""
        items = self.selectedItems() or ([self.currentItem()] if self.currentItem() else [])
        return [int(item.data(Qt.ItemDataRole.UserRole)) for item in items]

    def event(self, event: QEvent) -> bool:
        # C judges here; elsewhere it is a key of the window.
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and not event.modifiers()
            and any(event.key() == key for key, _, _ in VERDICT_KEYS.values())
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        for verdict, (key, _, _) in VERDICT_KEYS.items():
            if event.key() == key and not event.modifiers():
                self.judged.emit(verdict)
                return
        if event.key() == Qt.Key.Key_Backspace:
            self.taken_back.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finished.emit()
        else:
            super().keyPressEvent(event)


def _framed(image: QImage | None, verdict: str | None) -> QPixmap:
    """Return a picture scaled with sharp pixels, in a frame of its verdict's colour."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(QColor(theme.SURFACE))
    painter = QPainter(pixmap)
    if image is not None:
        scaled = image.scaled(
            QSize(_SIDE - 8, _SIDE - 8),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.FastTransformation,
        )
        painter.drawImage((_SIDE - scaled.width()) // 2, (_SIDE - scaled.height()) // 2, scaled)
    colour = VERDICT_KEYS[verdict][2] if verdict in VERDICT_KEYS else theme.LINE
    painter.setPen(QPen(QColor(colour), 3 if verdict else 1))
    painter.drawRect(1, 1, _SIDE - 3, _SIDE - 3)
    if verdict in VERDICT_KEYS:
        painter.fillRect(_SIDE - 17, 2, 15, 15, QColor(colour))
        painter.setPen(QColor(theme.SURFACE))
        painter.drawText(_SIDE - 14, 14, VERDICT_KEYS[verdict][1])
    painter.end()
    return pixmap
