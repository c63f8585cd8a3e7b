"""The line that names detectors, with the values that were set for them."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from inspector.engine.client import ScanOptions
from inspector.gui.plain import plain
from inspector.parameters import Settings, assignments

_DETECTOR = re.compile(r"[a-z0-9][a-z0-9-]*")


class DetectorsField(QWidget):
    """Ids to type, a button that offers a list with forms, and what was set there.

    Signals
    -------
    changed
        The ids or the values are others.
    choosing
        The list is wanted.
    """

    changed = Signal()
    choosing = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.parameters: Settings = {}
        self.line = QLineEdit(self)
        self.line.setPlaceholderText("default set; or ids, +id adds one")
        self.choose = QPushButton("Choose…", self)
        self.choose.setToolTip(
            "All detectors, what they cost, and the values that they can be given"
        )
        self.values = QLabel(self)
        self.values.setTextFormat(Qt.TextFormat.PlainText)
        self.values.setWordWrap(True)
        self.defaults = QPushButton("Defaults", self)
        self.defaults.setToolTip("Give all of them their defaults again")
        for button in (self.choose, self.defaults):
            button.setAutoDefault(False)
        row, below = QHBoxLayout(), QHBoxLayout()
        for part in (row, below):
            part.setSpacing(4)
        row.addWidget(self.line, 1)
        row.addWidget(self.choose)
        below.addWidget(self.values, 1)
        below.addWidget(self.defaults)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addLayout(below)
        self.setFocusProxy(self.line)
        self.line.textChanged.connect(self.changed)
        self.choose.clicked.connect(self.choosing)
        self.defaults.clicked.connect(lambda _=False: self._set({}))
        self._set({})

    def ids(self) -> list[str]:
        """Return what is named, with its plus."""
        return [part for part in re.split(r"[,\s]+", self.line.text().strip()) if part]

    def take(self, options: ScanOptions) -> None:
        """Show what options name and set."""
        self.line.setText(", ".join(options.detectors or ()))
        self._set(options.parameters)

    def problem(self) -> str:
        """Say which id cannot be one, or nothing."""
        odd = [part for part in self.ids() if not _DETECTOR.fullmatch(part.removeprefix("+"))]
        if not odd:
            return ""
        return f"“{plain(odd[0], 40)}” cannot be the id of a detector; Choose… lists them."

    def _set(self, parameters: Settings) -> None:
        self.parameters = parameters
        told = assignments(parameters)
        self.values.setText(plain(told, 400))
        self.values.setVisible(bool(told))
        self.defaults.setVisible(bool(told))
        self.changed.emit()
