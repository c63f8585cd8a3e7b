"""Where on a picture a reconstructed trigger lies.

The smallest mask that works is a speckle of the trigger that was planted: the network answers to a few
of its pixels. Where these lie close together, the gaps between them are taken as part of it. Of 12
networks with a planted patch of 1 to 6 pixels a side, and one with a square by others, the region
overlaps the patch by 0.42 (mean intersection over union), pixels of at least half the largest opacity
alone by 0.28.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SHARE = 0.95
"""Of the mask's sum that counts; what is left is the haze that a search has not wiped off."""

_GAP = 1 / 32
"""Reach within which pixels belong together, of the picture's shorter side; at least one pixel."""


def core(mask: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return the region of a trigger.

    Parameters
    ----------
    mask : ndarray, shape (H, W), float32
        Opacity, 0..1.

    Returns
    -------
    ndarray, shape (H, W), bool
        The most opaque pixels that hold `SHARE` of the mask, with the gaps between them closed
        (morphological closing with a square; Serra 1982). Empty for an empty mask.
    """
    values = np.sort(mask, axis=None)[::-1].astype(np.float64)
    held = np.cumsum(values)
    if not len(values) or held[-1] <= 0:
        return np.zeros(mask.shape, bool)
    last = min(int(np.searchsorted(held, SHARE * held[-1])), len(values) - 1)
    return _closed(mask >= max(values[last], 1 / 255), max(1, round(min(mask.shape) * _GAP)))


def _closed(inside: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    side = 2 * reach + 1
    # Beyond the border lies what was grown there: the border itself takes nothing away.
    beyond = np.pad(inside, 2 * reach)
    closed = ndimage.binary_closing(beyond, np.ones((side, side), bool))
    found: NDArray[np.bool_] = closed[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    return found


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return intersection over union of two regions; 0 for two empty ones."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def described(mask: NDArray[np.floating]) -> dict[str, int | list[int]] | None:
    """Return the region's size and place as JSON-able values.

    Returns
    -------
    dict or None
        ``pixels``, and ``rows`` and ``columns``, each the first and the last, counted from 0. None
        for an empty mask.
    """
    inside = core(mask)
    if not inside.any():
        return None
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return {
        "pixels": int(inside.sum()),
        "rows": [int(rows[0]), int(rows[-1])],
        "columns": [int(columns[0]), int(columns[-1])],
    }
