"""Pictures of a report: arrays of the case, encoded anew. No byte of the evidence goes in."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LARGEST = 512
"""Pixels a side; a derived array that claims more is no picture of ours."""


def as_picture(pixels: NDArray[np.uint8], alt: str, side: int = 96) -> dict[str, Any]:
    """Encode an array as a PNG, enlarged by a whole factor so that every pixel stays a square.

    Parameters
    ----------
    pixels : ndarray, shape (h, w, 1 or 3), uint8
    alt : str
        What it shows, for those who cannot see it.
    side : int
        Pixels that the longer side should have; a picture already larger keeps its size.

    Returns
    -------
    dict
        ``alt``, ``width``, ``height`` (pixels) and ``png`` (base64).
    """
    factor = max(1, side // max(pixels.shape[:2]))
    large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(large[:, :, 0] if large.shape[2] == 1 else large))
    image.save(file, "PNG", optimize=True)
    return {
        "alt": alt,
        "width": int(large.shape[1]),
        "height": int(large.shape[0]),
        "png": base64.b64encode(file.getvalue()).decode("ascii"),
    }


def as_pixels(values: Any) -> NDArray[np.uint8] | None:
    """Return what a record or a derived array holds as pixels, or None when it is no picture.

    Fractions of 0..1 (masks) become 0..255; (h, w) becomes (h, w, 1).
    """
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    if array.dtype.kind not in "uif" or array.ndim not in (2, 3) or not array.size:
        return None
    if array.ndim == 2:
        array = array[:, :, None]
    if max(array.shape[:2]) > _LARGEST or array.shape[2] not in (1, 3):
        return None
    scale = 255.0 if array.dtype.kind == "f" and float(np.nanmax(array, initial=0)) <= 1 else 1.0
    return np.clip(np.nan_to_num(array * scale), 0, 255).astype(np.uint8)


def laid_over_grey(mask: NDArray[np.uint8], pattern: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a trigger as it would look on a mid-grey picture, (h, w, c) uint8."""
    opacity = mask[:, :, :1].astype(np.float32) / 255
    return np.rint(opacity * pattern + (1 - opacity) * 128).astype(np.uint8)
