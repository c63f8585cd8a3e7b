"""A form made from the parameters that a detector declares: one field each, with help and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from inspector.api import Parameter
from inspector.gui.array_table import tooltip
from inspector.gui.number_box import MOST, strip
from inspector.gui.plain import plain
from inspector.parameters import WIDEST, Value, bounds, said

Field = QCheckBox | QComboBox | QDoubleSpinBox | QLineEdit | QSpinBox
_DECIMALS = 60
_BEGUN = re.compile(r"-?\d*\.?\d*(e[+-]?\d*)?", re.IGNORECASE)
_WHOLE = re.compile(r"-?\d*")
_State = QValidator.State


class PlainNumber(QDoubleSpinBox):
    """A number as a person writes it: 0.05, not 0.050000000, and 1e-10 where it is that small.

    Parameters
    ----------
    whole : bool
        It has no decimals.
    """

    def __init__(self, whole: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = whole
        # Qt rounds values to these: enough that none is taken for another.
        self.setDecimals(0 if whole else _DECIMALS)

    def textFromValue(self, value: float) -> str:
        return f"{value:.0f}" if self._whole else said(value)

    def valueFromText(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return self.value()

    def validate(self, text: str, at: int) -> tuple[QValidator.State, str, int]:
        if not (_WHOLE if self._whole else _BEGUN).fullmatch(text):
            return _State.Invalid, text, at
        try:
            number = float(text)
        except ValueError:
            return _State.Intermediate, text, at
        inside = self.minimum() <= number <= self.maximum()
        return (_State.Acceptable if inside else _State.Intermediate), text, at


class ParameterForm(QWidget):
    """Fields for the parameters of one detector.

    Signals
    -------
    changed
        A value is another one.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameters: Sequence[Parameter] = ()
        self.fields: dict[str, Field] = {}
        self._states: dict[str, QLabel] = {}
        self.reset_button = QPushButton("Reset to defaults", self)
        self.reset_button.setAutoDefault(False)
        self.reset_button.clicked.connect(self.reset)
        self._inner: QWidget | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(self.reset_button, 1, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_parameters((), {})

    def show_parameters(self, parameters: Sequence[Parameter], values: Mapping[str, Value]) -> None:
        """Make the fields anew, with these values; what has none shows its default."""
        if self._inner is not None:
            self._inner.hide()
            self._inner.deleteLater()
        self._parameters = parameters
        self.fields, self._states = {}, {}
        self._inner = QWidget(self)
        grid = QGridLayout(self._inner)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(2, 1)
        for at, one in enumerate(parameters):
            label = QLabel(plain(one.name, 40), self._inner)
            field = _field(one, self._inner)
            state, help_ = QLabel(self._inner), QLabel(plain(one.help, 300), self._inner)
            tip = tooltip(plain(one.help, 300), f"It is {plain(bounds(one), 200)}.")
            for widget in (label, state, help_):
                widget.setTextFormat(Qt.TextFormat.PlainText)
                widget.setToolTip(tip)
            field.setToolTip(tip)
            field.setAccessibleName(plain(one.name, 40))
            field.setAccessibleDescription(plain(one.help, 300))
            label.setBuddy(field)
            help_.setWordWrap(True)
            help_.setForegroundRole(help_.foregroundRole().PlaceholderText)
            help_.setAlignment(Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label, 2 * at, 0)
            grid.addWidget(field, 2 * at, 1)
            grid.addWidget(state, 2 * at, 2)
            grid.addWidget(help_, 2 * at + 1, 1, 1, 2)
            # Not its size hint: that of a line that wraps asks for room for a narrow column.
            grid.setRowMinimumHeight(2 * at + 1, help_.fontMetrics().height() + 12)
            self.fields[one.name], self._states[one.name] = field, state
            _put(field, values.get(one.name, one.default))
            _follow(field, self._on_changed)
        grid.setRowStretch(2 * len(parameters), 1)
        self._grid.addWidget(self._inner, 0, 0)
        self.reset_button.setVisible(bool(parameters))
        self._say()

    def values(self) -> dict[str, Value]:
        """Return the values that are not the defaults, by name."""
        found = {one.name: _value(one, self.fields[one.name]) for one in self._parameters}
        return {
            one.name: found[one.name] for one in self._parameters if found[one.name] != one.default
        }

    def finish(self) -> None:
        """Take up what was typed and not yet finished with a key."""
        for field in self.fields.values():
            if isinstance(field, QAbstractSpinBox):
                field.interpretText()

    def reset(self) -> None:
        """Give every parameter its default."""
        for one in self._parameters:
            _put(self.fields[one.name], one.default)

    def _on_changed(self, _: object = None) -> None:
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        """Say beside every field what it takes, and what its value stands in place of."""
        other = self.values()
        for one in self._parameters:
            state, default = self._states[one.name], plain(said(one.default), 60)
            changed = one.name in other
            told = f"in place of {default}" if changed else f"default {default}"
            kind = _range(one)
            state.setText(f"{told}; {kind}" if kind else told)
            font = state.font()
            font.setBold(changed)
            state.setFont(font)
        self.reset_button.setEnabled(bool(other))


def _range(one: Parameter) -> str:
    """Return the bounds of a number in words; "" where the field shows all that there is."""
    if isinstance(one.default, bool | str):
        return ""
    return bounds(one).removeprefix("a whole number").removeprefix("a number").strip(" ,")


def _field(one: Parameter, parent: QWidget) -> Field:
    """Return the field for a parameter, bounded as it is."""
    if isinstance(one.default, bool):
        return QCheckBox("on", parent)
    if one.choices:
        box = QComboBox(parent)
        for choice in one.choices:
            box.addItem(plain(choice, 60), choice)
        return box
    if isinstance(one.default, str):
        return QLineEdit(parent)
    edge = WIDEST if isinstance(one.default, int) else 1e30
    low = -edge if one.low is None else one.low
    high = edge if one.high is None else one.high
    if isinstance(one.default, int) and -MOST <= low <= high <= MOST:
        whole = QSpinBox(parent)
        whole.setRange(int(low), int(high))
        strip(whole)
        whole.setMinimumWidth(90)
        return whole
    number = PlainNumber(isinstance(one.default, int), parent)
    number.setRange(low, high)
    strip(number)
    number.setMinimumWidth(90)
    return number


def _put(field: Field, value: Value) -> None:
    if isinstance(field, QCheckBox):
        field.setChecked(bool(value))
    elif isinstance(field, QComboBox):
        field.setCurrentIndex(max(field.findData(value), 0))
    elif isinstance(field, QLineEdit):
        field.setText(str(value))
    elif isinstance(field, QSpinBox):
        field.setValue(int(value))
    else:
        field.setValue(float(value))


def _value(one: Parameter, field: Field) -> Value:
    if isinstance(field, QCheckBox):
        return field.isChecked()
    if isinstance(field, QComboBox):
        return str(field.currentData())
    if isinstance(field, QLineEdit):
        return field.text()
    # A box rounds to its decimals: a default that it cannot show exactly is still the default.
    if isinstance(field, PlainNumber) and field.text() == field.textFromValue(float(one.default)):
        return one.default
    return type(one.default)(field.value())


def _follow(field: Field, act: object) -> None:
    if isinstance(field, QCheckBox):
        field.toggled.connect(act)
    elif isinstance(field, QComboBox):
        field.currentIndexChanged.connect(act)
    elif isinstance(field, QLineEdit):
        field.textChanged.connect(act)
    else:
        field.valueChanged.connect(act)
