"""The drills of one class beside its limits: what was planted there, and what a scan made of it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from inspector.case import Case
from inspector.case.drill_document import drill_sentence
from inspector.gui.drill_dialog import drills_of
from inspector.gui.drill_grid import LEGEND, DrillGrid, tally
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_NONE = (
    "No drill has planted anything in this class yet. A drill shows what attacks of a kind and size a "
    "scan would have found here."
)


class DrillPage(QWidget):
    """Shows the drills whose target is one class."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drills: list[dict[str, Any]] = []
        self.grid = DrillGrid()
        self.said = QLabel(self)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setWordWrap(True)
        self.said.setMinimumWidth(150)
        self.said.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.plan = QPushButton("Plan a drill…", self)
        self.area = QScrollArea(self)
        self.area.setWidget(self.grid)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        row = QHBoxLayout()
        row.addWidget(self.area, 2)
        row.addWidget(self.said, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.addLayout(row, 1)
        column.addWidget(self.plan)
        self.plan.clicked.connect(lambda _=False: workspace.command_requested.emit("drill"))
        self.grid.picked.connect(self._on_picked)

    def show_class(self, case: Case | None, label: int) -> None:
        """Show what was planted in a class."""
        drills = [] if case is None else drills_of(case)
        self._drills = [drill for drill in drills if drill["target"] == label]
        self.area.setVisible(bool(self._drills))
        self.grid.show_drills(self._drills)
        self._on_picked(self.grid.chosen)

    def _on_picked(self, key: str) -> None:
        drill = next((one for one in self._drills if one["key"] == key), None)
        if drill is not None:
            self.said.setText(plain(drill_sentence(drill), 800))
        else:
            self.said.setText(f"{tally(self._drills)} {LEGEND}" if self._drills else _NONE)
