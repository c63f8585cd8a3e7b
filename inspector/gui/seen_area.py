"""Which part of a picture the network sees: what is laid over the picture has to lie there."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, QSize

from inspector.case import Case

WHOLE = QRectF(0, 0, 1, 1)
_SMALL = 64
"""A thumbnail with shorter sides than this is the picture itself."""


def seen_area(case: Case, thumbnail: QSize) -> QRectF | None:
    """Return the part that the network sees, in shares of the picture's width and height.

    Parts of it lie outside of 0 to 1 where the network sees a black rim.

    Parameters
    ----------
    case : Case
        Its record of the model says how pictures are fitted; one without counts as stretching.
    thumbnail : QSize
        Of the sample.

    Returns
    -------
    QRectF or None
        None where it cannot be told: pictures are cut without being scaled, and only a reduced
        picture is known.
    """
    try:
        fitting = case.get("model", {}).get("preprocess", {})
        fit = str(fitting.get("fit", "stretch"))
        height, width = (float(side) for side in fitting.get("size", (1, 1)))
        before = float(fitting.get("side") or 0)
        wide, high = float(thumbnail.width()), float(thumbnail.height())
        if min(height, width, wide, high) <= 0:
            return WHOLE
        wanted = before or height * 8 / 7, before or width * 8 / 7
        if fit == "stretch-crop":
            return _middle(width / wanted[1], height / wanted[0])
        if fit == "crop":
            factor = max(wanted[0] / high, wanted[1] / wide)
            return _middle(width / (wide * factor), height / (high * factor))
        if fit == "none":
            wide, high = _original(case, thumbnail)
            return _middle(width / wide, height / high) if wide else None
    except (TypeError, ValueError, ZeroDivisionError, AttributeError):
        pass
    return WHOLE


def _middle(width: float, height: float) -> QRectF:
    return QRectF((1 - width) / 2, (1 - height) / 2, width, height)


def _original(case: Case, thumbnail: QSize) -> tuple[float, float]:
    """Return width and height of the picture itself, zeros where they are not known."""
    shape: Any = case.get("dataset", {}).get("image_shape")
    if isinstance(shape, list | tuple) and len(shape) >= 2:
        return float(shape[1]), float(shape[0])
    if max(thumbnail.width(), thumbnail.height()) < _SMALL:
        return float(thumbnail.width()), float(thumbnail.height())
    return 0.0, 0.0
