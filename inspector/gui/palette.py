"""The command palette: every command, found by a few letters of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QSize,
    Qt,
)
from PySide6.QtGui import QAction, QColor, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import theme

_ROLE = int(Qt.ItemDataRole.UserRole)
_KEYS = _ROLE + 1
_Index = QModelIndex | QPersistentModelIndex


class Palette(QFrame):
    """A box over the window; Return runs what is marked, Escape closes it.

    Parameters
    ----------
    parent : QWidget
        The window that it lies over.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setStyleSheet(
            theme.shade(
                "Palette { background: #22262e; border: 1px solid #465062; border-radius: 8px; }"
                "QListWidget { background: transparent; }"
            )
        )
        self._over = parent
        self._actions: Sequence[QAction] = ()
        self._box = QLineEdit(self)
        self._box.setPlaceholderText("What do you want to do?")
        self._list = QListWidget(self)
        self._list.setItemDelegate(_KeyDelegate(self._list))
        self._list.setUniformItemSizes(True)
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self._box)
        column.addWidget(self._list, 1)
        self._box.textChanged.connect(self._search)
        self._box.installEventFilter(self)
        self._list.itemClicked.connect(self._run)

    def open_with(self, actions: Sequence[QAction]) -> None:
        """Show these actions for choice."""
        self._actions = actions
        self._box.clear()
        self._search("")
        area = self._over.rect()
        width = min(560, area.width() - 40)
        self.resize(QSize(width, min(420, area.height() - 120)))
        corner = QPoint((area.width() - width) // 2, 64)
        self.move(self._over.mapToGlobal(corner))
        self.show()
        self._box.setFocus()

    def titles(self) -> list[str]:
        """Return what is listed, best match first."""
        return [self._list.item(k).text() for k in range(self._list.count())]

    def search(self, text: str) -> None:
        """Type into the box."""
        self._box.setText(text)

    def _search(self, text: str) -> None:
        found = []
        for number, action in enumerate(self._actions):
            # Nothing typed: the order of the menus. By length, Return would have quit.
            rating = rate(text, _title(action)) if text.strip() else 0.0
            if rating is not None:
                found.append((not action.isEnabled(), -rating, number, action))
        self._list.clear()
        for _, _, _, action in sorted(found, key=lambda entry: entry[:3]):
            item = QListWidgetItem(_title(action))
            item.setData(_ROLE, action)
            item.setData(_KEYS, action.shortcut().toString())
            if not action.isEnabled():
                item.setFlags(Qt.ItemFlag.NoItemFlags)
                item.setToolTip(action.toolTip())
            self._list.addItem(item)
        if not found:
            item = QListWidgetItem("No command has these letters in this order.")
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is None or not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        action = item.data(_ROLE)
        self.hide()
        action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self._list.currentItem())
                return True
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self._list.count():
                self._list.setCurrentRow((self._list.currentRow() + step) % self._list.count())
                return True
        return super().eventFilter(watched, event)


class _KeyDelegate(QStyledItemDelegate):
    """Writes the keys of a command at the right end of its line."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        super().paint(painter, option, index)
        keys = index.data(_KEYS)
        if not keys:
            return
        # PySide's stubs do not know the fields that QStyleOption gives to its children.
        given: Any = option
        painter.save()
        painter.setPen(QColor(theme.MUTED))
        if given.state & QStyle.StateFlag.State_Selected:
            painter.setPen(given.palette.color(QPalette.ColorRole.HighlightedText))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(given.rect.adjusted(8, 0, -8, 0), int(right), keys)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        given: Any = option
        return QSize(100, given.fontMetrics.height() + 10)


def rate(typed: str, title: str) -> float | None:
    """Return how well a title answers what was typed; None when the letters do not occur in order.

    Letters that start words and letters in a run count more, and short titles win.
    """
    wanted, have = typed.lower().replace(" ", ""), title.lower()
    score, at, run = 0.0, -1, 0
    for letter in wanted:
        found = have.find(letter, at + 1)
        if found < 0:
            return None
        starts = found == 0 or not have[found - 1].isalnum()
        run = run + 1 if found == at + 1 and at >= 0 else 0
        score += 1 + 2 * starts + 1.5 * run
        at = found
    return score - 0.01 * len(title)


def _title(action: QAction) -> str:
    return action.text().replace("&", "")
