"""Drills as a picture: one row per trigger, one column per poison rate, what a scan made of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from inspector.case.drill_document import drill_sentence
from inspector.gui import theme
from inspector.gui.array_table import tooltip
from inspector.gui.plain import plain

_CELL, _HEAD, _GAP = QSize(128, 44), 24, 4
_LOW, _HIGH = QColor(theme.shade("#242a34")), QColor("#2f6db5")
"""Cells at an AUROC of a half and of one."""

WORKS = 0.5
"""Success from which on an attack is taken to work."""

FOUND, MISSED, IDLE = "found", "missed", "does not work"
COLOURS = {
    FOUND: theme.MESSAGE_COLOURS["done"],
    MISSED: theme.VERDICT_COLOURS["medium"],
    IDLE: theme.LINE,
}
LEGEND = (
    "Green: a scan would have pointed at it. Orange: the attack works and a scan would not have. "
    "Grey: it does not work, so that it was not found says nothing. Per cent: pictures that the "
    "trigger turns. The fuller the blue, the better planted samples are ranked (AUROC)."
)


def outcome_of(drill: Mapping[str, Any]) -> str:
    """Return `FOUND`, `MISSED` or, for an attack that does not work, `IDLE`."""
    if drill["found"]:
        return FOUND
    success = drill["success"]
    return MISSED if success is None or success >= WORKS else IDLE


def tally(drills: Sequence[Mapping[str, Any]]) -> str:
    """Say how many drills that work were found."""
    words = [outcome_of(drill) for drill in drills]
    idle = words.count(IDLE)
    works = len(words) - idle
    if not works:
        return f"None of {idle} planted attacks worked, so this says nothing about the scan."
    more = f"; {idle} more did not work" if idle else ""
    return f"{words.count(FOUND)} of {works} attacks that work were found{more}."


class DrillGrid(QWidget):
    """Draws the drills of a `drill_document`.

    Signals
    -------
    picked : str
        Key of the drill that was clicked.
    """

    picked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[str] = []
        self._rates: list[float] = []
        self._cells: dict[tuple[int, int], Mapping[str, Any]] = {}
        self.chosen = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Drills by trigger and poison rate")

    def show_drills(self, drills: Sequence[Mapping[str, Any]]) -> None:
        """Draw these drills; of two with the same trigger and rate the later one is drawn."""
        named = [(_trigger(drill, drills), drill) for drill in drills]
        self._rows = list(dict.fromkeys(name for name, _ in named))
        self._rates = sorted({float(drill["settings"]["rate"]) for drill in drills})
        self._cells = {
            (self._rows.index(name), self._rates.index(float(drill["settings"]["rate"]))): drill
            for name, drill in named
        }
        if self.chosen not in {drill["key"] for drill in drills}:
            self.chosen = ""
        self.updateGeometry()
        self.update()

    @property
    def rows(self) -> list[str]:
        """What the rows are called."""
        return list(self._rows)

    def drill_at(self, row: int, column: int) -> Mapping[str, Any] | None:
        """Return the drill of a cell, None where there is none."""
        return self._cells.get((row, column))

    def box(self, row: int, column: int) -> QRect:
        """Return where a cell is drawn."""
        left = self._names_width() + column * (_CELL.width() + _GAP)
        return QRect(left, _HEAD + row * (_CELL.height() + _GAP), _CELL.width(), _CELL.height())

    def sizeHint(self) -> QSize:
        width = self._names_width() + len(self._rates) * (_CELL.width() + _GAP)
        return QSize(width, _HEAD + len(self._rows) * (_CELL.height() + _GAP))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _names_width(self) -> int:
        widest = max((self.fontMetrics().horizontalAdvance(name) for name in self._rows), default=0)
        return min(widest, 260) + 14

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        middle = int(Qt.AlignmentFlag.AlignCenter)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.setPen(QColor(theme.MUTED))
        for column, rate in enumerate(self._rates):
            box = self.box(0, column)
            head = QRect(box.x(), 0, box.width(), _HEAD)
            painter.drawText(head, middle, f"{100 * rate:g} % poisoned")
        for row, name in enumerate(self._rows):
            box = self.box(row, 0)
            width = self._names_width() - 10
            text = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(0, box.y(), width, box.height()), left, text)
        for (row, column), drill in self._cells.items():
            self._paint_cell(painter, self.box(row, column), drill)

    def _paint_cell(self, painter: QPainter, box: QRect, drill: Mapping[str, Any]) -> None:
        outcome = outcome_of(drill)
        painter.fillRect(box, _mixed(2 * float(drill["auroc"]) - 1))
        chosen = drill["key"] == self.chosen
        painter.setPen(QPen(QColor(COLOURS[outcome]), 4 if chosen else 2))
        painter.drawRect(box.adjusted(1, 1, -2, -2))
        painter.setPen(QColor(theme.TEXT))
        upper = box.adjusted(4, 3, -4, -box.height() // 2)
        lower = box.adjusted(4, box.height() // 2, -4, -3)
        middle = int(Qt.AlignmentFlag.AlignCenter)
        success = drill["success"]
        turned = "" if success is None else f"{success:.0%} · "
        painter.drawText(upper, middle, outcome)
        painter.drawText(lower, middle, f"{turned}AUROC {drill['auroc']:.2f}")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        drill = self._under(event.position().toPoint())
        if drill is not None:
            self.chosen = str(drill["key"])
            self.update()
            self.picked.emit(self.chosen)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            drill = self._under(event.pos())
            said = "" if drill is None else tooltip(plain(drill_sentence(drill), 800))
            QToolTip.showText(event.globalPos(), said, self)
            return True
        return super().event(event)

    def _under(self, spot: Any) -> Mapping[str, Any] | None:
        for (row, column), drill in self._cells.items():
            if self.box(row, column).contains(spot):
                return drill
        return None


def _trigger(drill: Mapping[str, Any], among: Sequence[Mapping[str, Any]]) -> str:
    """Name a drill by what tells it from the others, its rate apart."""
    own = drill["settings"]
    parts = [plain(drill["attack"], 30)]
    if own["size"] is not None:
        parts.append(f"{own['size']} px")
    if own["opacity"] is not None:
        parts.append(f"opacity {own['opacity']:g}")
    for name, words in (
        ("place", "{}"), ("architecture", "{}"), ("learning_rate", "step {:g}"),
        ("epochs", "{} epochs"), ("images", "{:,} pictures"), ("seed", "seed {}"),
        ("audit", "{:,} verified"),
    ):  # fmt: skip
        if len({str(other["settings"][name]) for other in among}) > 1:
            parts.append(plain(words.format(own[name]), 30))
    if len({other["target"] for other in among}) > 1:
        parts.append(f"→ {plain(drill['target_name'], 30)}")
    return ", ".join(parts)


def _mixed(share: float) -> QColor:
    share = min(max(share, 0.0), 1.0)
    parts = [
        round(low + share * (high - low))
        for low, high in (
            (_LOW.red(), _HIGH.red()),
            (_LOW.green(), _HIGH.green()),
            (_LOW.blue(), _HIGH.blue()),
        )
    ]
    return QColor(*parts)
