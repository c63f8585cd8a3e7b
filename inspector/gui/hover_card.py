"""The small card beside the mouse: a sample's thumbnail and what is known of it."""

from __future__ import annotations

import math

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from inspector.gui import theme
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_SIDE = 72
_PAD = 8
_WIDTH = 264


class HoverCard(QWidget):
    """Drawn by hand, so that no text of the evidence can be taken for markup."""

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._over = parent
        self._workspace = workspace
        self._row = -1
        self._lines: list[str] = []
        self.hide()

    def point_at(self, row: int, spot: QPoint) -> None:
        """Show a sample beside a spot of the parent; -1 hides the card."""
        if row < 0 or self._workspace.table is None:
            self.hide()
            self._row = -1
            return
        if row != self._row:
            self._row = row
            self._lines = describe(self._workspace, row)
            lines = len(self._lines) * self.fontMetrics().height()
            self.resize(QSize(_WIDTH, max(_SIDE, lines) + 2 * _PAD))
        area = self._over.rect()
        x, y = spot.x() + 18, spot.y() + 18
        if x + self.width() > area.right():
            x = spot.x() - 18 - self.width()
        if y + self.height() > area.bottom():
            y = spot.y() - 18 - self.height()
        self.move(max(0, x), max(0, y))
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.shade("#465062")))
        painter.setBrush(theme.veil("#22272f", 244))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 6, 6)
        place = QRect(_PAD, _PAD, _SIDE, _SIDE)
        picture = self._workspace.thumbnail(self._row)
        if picture is None:
            painter.setBrush(QColor(theme.RAISED))
            painter.drawRect(place)
        else:
            painter.setRenderHint(
                QPainter.RenderHint.SmoothPixmapTransform, picture.width() > _SIDE
            )
            painter.drawImage(place, picture)
        metrics = painter.fontMetrics()
        left = 2 * _PAD + _SIDE
        for number, line in enumerate(self._lines):
            painter.setPen(QColor(theme.TEXT if number < 2 else theme.MUTED))
            painter.drawText(
                left,
                _PAD + metrics.ascent() + number * metrics.height(),
                metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, self.width() - left - _PAD),
            )


def describe(workspace: Workspace, row: int) -> list[str]:
    """Return a sample's number, label, scores and tags, a line each."""
    table, case = workspace.table, workspace.case
    assert table is not None
    assert case is not None
    columns = table.columns
    lines = [f"#{row:,}  {plain(case.locator(row), 120)}", class_line(workspace, row)]
    for name in (workspace.order_column, "loss"):
        if name in columns and math.isfinite(float(columns[name][row])):
            lines.append(f"{plain(name)} {float(columns[name][row]):.4g}")
    reason = case.unreadable().get(row)
    if reason:
        lines.append(f"unreadable: {plain(reason, 80)}")
    tags = case.tags.of(row)
    if tags:
        lines.append(", ".join(plain(tag) for tag in tags))
    elif row < workspace.proposed.size and workspace.proposed[row]:
        lines.append("proposed, not judged")
    return lines


def class_line(workspace: Workspace, row: int) -> str:
    """Return what a sample is labelled and what the model answers."""
    table = workspace.table
    assert table is not None
    label = workspace.class_name(int(table.columns["label"][row]))
    if "predicted" not in table.columns:
        return label
    predicted = int(table.columns["predicted"][row])
    if predicted < 0:
        return f"{label}, not assessed"
    confidence = table.columns.get("confidence")
    sure = "" if confidence is None else f" ({float(confidence[row]):.3f})"
    return f"{label} → {workspace.class_name(predicted)}{sure}"
