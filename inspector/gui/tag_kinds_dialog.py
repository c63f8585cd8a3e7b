"""The kinds of tags of a case: define one's own, with a colour and a key."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.case import TagKind
from inspector.case.tag_kinds import DEFAULTS
from inspector.errors import InspectorError
from inspector.gui.chip import chip
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace

_NO_KEY = "none"


class TagKindsDialog(QDialog):
    """Every change is an act in the journal at once; there is nothing to confirm."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Kinds of tags")
        self._workspace = workspace
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self.name = QLineEdit(self)
        self.name.setPlaceholderText("Name of a new kind")
        self.name.setMaxLength(40)
        self.add = QPushButton("Add", self)
        self.problem = QLabel(self)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self.problem.setMinimumWidth(380)
        self.keys: dict[str, QComboBox] = {}
        self.colours: dict[str, QPushButton] = {}
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        self.add.clicked.connect(self._add)
        self.name.returnPressed.connect(self._add)
        # Enter would also press the dialog's own button and add a second kind, of no name.
        for button in (self.add, *buttons.buttons()):
            if isinstance(button, QPushButton):
                button.setAutoDefault(False)
        column = QVBoxLayout(self)
        column.addLayout(self._grid)
        row = QGridLayout()
        row.addWidget(self.name, 0, 0)
        row.addWidget(self.add, 0, 1)
        column.addLayout(row)
        column.addWidget(self.problem)
        column.addStretch(1)
        column.addWidget(buttons)
        self._fill()

    def _fill(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self.keys, self.colours = {}, {}
        case = self._workspace.case
        if case is None:
            return
        for at, title in enumerate(("Tag", "Colour", "Key", "Samples")):
            head = QLabel(title, self)
            head.setForegroundRole(head.foregroundRole().PlaceholderText)
            self._grid.addWidget(head, 0, at)
        kinds, counts = case.tags.kinds, case.tags.counts()
        for at, kind in enumerate(kinds, start=1):
            name = QLabel(plain(kind.name, 40), self)
            name.setTextFormat(Qt.TextFormat.PlainText)
            self._grid.addWidget(name, at, 0)
            self._grid.addWidget(self._colour(kind), at, 1)
            self._grid.addWidget(self._key(kind, kinds), at, 2)
            self._grid.addWidget(QLabel(f"{counts[kind.name]:,}", self), at, 3)

    def _colour(self, kind: TagKind) -> QPushButton:
        button = QPushButton(kind.colour, self)
        button.setIcon(chip(kind.colour))
        button.setIconSize(QSize(10, 10))
        button.setEnabled(kind not in DEFAULTS and not self._is_read_only())
        button.clicked.connect(partial(self._ask_colour, kind))
        self.colours[kind.name] = button
        return button

    def _key(self, kind: TagKind, kinds: list[TagKind]) -> QComboBox:
        taken = {other.key for other in kinds if other != kind}
        box = QComboBox(self)
        box.addItems([_NO_KEY, *(digit for digit in "123456789" if digit not in taken)])
        box.setCurrentText(kind.key or _NO_KEY)
        box.setEnabled(kind not in DEFAULTS and not self._is_read_only())
        box.textActivated.connect(
            lambda text, name=kind.name: self.change(name, key="" if text == _NO_KEY else text)
        )
        self.keys[kind.name] = box
        return box

    def _is_read_only(self) -> bool:
        case = self._workspace.case
        return case is None or case.read_only

    def _ask_colour(self, kind: TagKind) -> None:
        chosen = QColorDialog.getColor(QColor(kind.colour), self, f"Colour of {kind.name}")
        if chosen.isValid():
            self.change(kind.name, colour=chosen.name())

    def change(self, name: str, key: str | None = None, colour: str | None = None) -> None:
        """Give an own kind another key or colour."""
        case = self._workspace.case
        if case is not None:
            self._act(lambda: case.tags.change_kind(name, key, colour))

    def _add(self) -> None:
        case = self._workspace.case
        if case is not None and self._act(lambda: case.tags.add_kind(self.name.text())):
            self.name.clear()

    def _act(self, act: object) -> bool:
        assert callable(act)
        try:
            act()
        except InspectorError as error:
            self.problem.setText(plain(str(error), 400))
            return False
        self.problem.setText("")
        self._workspace.kinds_changed.emit()
        self._fill()
        return True
