"""Boxes for numbers without the two small arrows that nobody hits."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QSpinBox

MOST = 2_000_000_000
# Under a style sheet, NoButtons leaves the line of text no room at all (Qt 6.11).
_NO_ARROWS = "{0}::up-button, {0}::down-button {{ width: 0; height: 0; border: none; }}"


def count_box(none: str = "") -> QSpinBox:
    """Return a box for a count; 0 is shown as the words ``none`` when they are given."""
    box = QSpinBox()
    box.setRange(0, MOST)
    box.setSpecialValueText(none)
    strip(box)
    return box


def score_box() -> QDoubleSpinBox:
    """Return a box for a score; the value changes when the line is finished."""
    box = QDoubleSpinBox()
    box.setDecimals(4)
    box.setRange(-1e30, 1e30)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    strip(box)
    return box


def strip(box: QAbstractSpinBox) -> None:
    """Take the arrows off a box; its value changes when the line is finished."""
    box.setKeyboardTracking(False)
    box.lineEdit().setTextMargins(6, 0, 0, 0)
    box.setStyleSheet(_NO_ARROWS.format(type(box).__name__))
