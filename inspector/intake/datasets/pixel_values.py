"""Stored pixel values to 8 bits: bytes, 0..1 floats, whole numbers, 16 bits; nothing guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.decoding import sixteen_to_eight
from inspector.intake.datasets.names import count_of


def to_uint8(
    pixels: NDArray[Any], notes: list[str]
) -> tuple[Callable[[NDArray[Any]], NDArray[np.uint8]], NDArray[np.bool_] | None]:
    """Choose how stored values become bytes.

    Parameters
    ----------
    pixels : ndarray, shape (n, H, W, C)
        Unsigned or signed integers, floats or booleans.
    notes : list of str
        Gets a sentence when anything is converted.

    Returns
    -------
    convert : callable
        Takes a block of rows and returns a new uint8 array of the same shape.
    finite : ndarray, shape (n,), bool, or None
        Rows without NaN and infinite pixels; None when all are.

    Raises
    ------
    BadInput
        The values lie in no known range.
    """
    kind = pixels.dtype
    if kind == np.uint8:
        return np.array, None
    if kind == np.bool_:
        return lambda batch: batch.astype(np.uint8) * np.uint8(255), None
    low, high, finite = _value_range(pixels)
    if not finite.all():
        bad = count_of(int((~finite).sum()), "sample")
        notes.append(f"{bad} with NaN or infinite pixels cannot be read.")
    if low >= 0 and high <= 1 and kind.kind == "f":
        notes.append("Pixels are stored as 0..1 and are scaled to 0..255.")
        return _scaled, None if finite.all() else finite
    if low >= 0 and high <= 255:
        notes.append(f"Pixels are stored as {kind} in 0..255 and are rounded to 8 bits.")
        return _rounded, None if finite.all() else finite
    if low >= 0 and high <= 65535 and kind.kind in "ui":
        notes.append("Pixels are stored with 16 bits and are scaled to 8.")
        return sixteen_to_eight, None
    raise BadInput(
        f"The images hold values from {low:g} to {high:g}.",
        "Known are 0..1, 0..255 and 16-bit integers; these look normalised or are no images.",
        "Store the images before normalisation, as bytes.",
    )


def _value_range(pixels: NDArray[Any]) -> tuple[float, float, NDArray[np.bool_]]:
    low, high = np.inf, -np.inf
    finite = np.ones(len(pixels), np.bool_)
    per_row = max(1, pixels[0].size * pixels.dtype.itemsize)
    step = max(1, (16 << 20) // per_row)
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step]
        good = np.isfinite(block).all(axis=(1, 2, 3))
        finite[start : start + step] = good
        if good.any():
            low = min(low, float(block[good].min()))
            high = max(high, float(block[good].max()))
    if not finite.any():
        raise BadInput(
            "No image holds finite numbers.",
            "Every one has NaN or infinite pixels.",
            "Store the images as bytes.",
        )
    return low, high, finite


def _scaled(batch: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(batch.astype(np.float64) * 255.0).astype(np.uint8)


def _rounded(batch: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(batch).astype(np.uint8)
