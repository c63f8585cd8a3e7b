"""*Case ▸ Limits on evidence…*: what is refused as too large, and how to raise it for this case."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.engine.client.raised import raise_in_case, raised_limits
from inspector.errors import InspectorError
from inspector.gui.plain import plain
from inspector.gui.workspace import Workspace
from inspector.intake.limits import LIMITS, parsed


class LimitsDialog(QDialog):
    """Raising is an act in the journal at once; it holds from the next job on."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Limits on evidence")
        self._workspace = workspace
        self.name = QComboBox(self)
        self.name.addItems(list(LIMITS))
        self.value = QLineEdit(self)
        self.button = QPushButton("Raise", self)
        self.now, self.about, self.said = (QLabel(self) for _ in range(3))
        for label in (self.now, self.about, self.said):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setMinimumWidth(420)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.addButton(self.button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        self.button.clicked.connect(self._raise)
        self.value.returnPressed.connect(self._raise)
        # Enter would also press one of the buttons.
        for button in buttons.buttons():
            if isinstance(button, QPushButton):
                button.setAutoDefault(False)
        self.name.currentTextChanged.connect(self._show)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Limit", self.name)
        form.addRow("Holds for", self.about)
        form.addRow("Now", self.now)
        form.addRow("Raise to", self.value)
        intro = QLabel(
            "Evidence above these limits is refused. Raise one only for evidence that is meant to "
            "be so large: the act is in the journal and in every report.",
            self,
        )
        intro.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addWidget(intro)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addStretch(1)
        column.addWidget(buttons)
        self._show(self.name.currentText())

    def _show(self, name: str) -> None:
        known, case = LIMITS[name], self._workspace.case
        value = known.default if case is None else raised_limits(case).get(name, known.default)
        raised = f" (raised from {known.shown(known.default)})" if value != known.default else ""
        self.about.setText(f"{known.about}. It protects from {known.protects}.")
        self.now.setText(f"{known.shown(value)}{raised}; at most {known.shown(known.ceiling)}")
        self.value.setPlaceholderText("a number; 500M and 4GiB will do")
        self.value.clear()
        self.said.clear()
        writable = case is not None and not case.read_only
        self.button.setEnabled(writable)
        self.button.setToolTip("" if writable else "The case is open for reading only.")

    def _raise(self) -> None:
        case, name = self._workspace.case, self.name.currentText()
        if case is None or not self.button.isEnabled():
            return
        try:
            said = raise_in_case(case, parsed([f"{name}={self.value.text()}"]))
        except InspectorError as error:
            self.said.setText(plain(str(error), 400))
            return
        self._show(name)
        for sentence in said:
            self._workspace.message.emit("done", sentence)
        self.said.setText(
            f"{said[0]} Analyse again to read what was refused." if said else "It holds already."
        )
