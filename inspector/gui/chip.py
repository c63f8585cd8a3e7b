"""A small square of colour before a tag or a class."""

from __future__ import annotations

from PySide6.QtGui import QColor, QIcon, QPixmap

_SIDE = 10
_RATIO = 2.0


def chip(colour: str) -> QIcon:
    """Return a square of this colour."""
    pixmap = QPixmap(int(_SIDE * _RATIO), int(_SIDE * _RATIO))
    pixmap.fill(QColor(colour))
    pixmap.setDevicePixelRatio(_RATIO)
    icon = QIcon(pixmap)
    # The colour is what it says: greyed out or mixed with a selection it would say another thing.
    for mode in (QIcon.Mode.Disabled, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon
