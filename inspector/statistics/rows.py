"""Which rows can be computed with, at what scale: hostile arrays hold NaN, infinity and 1e38."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGE, _SMALL = 1e12, 1e-12
_SINGLE_MAX = np.finfo(np.float32).max


def finite_rows(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which rows hold only finite numbers that float32 can represent.

    Parameters
    ----------
    rows : ndarray, shape (n, d)

    Returns
    -------
    ndarray, shape (n,), bool
    """
    if not rows.size:
        return np.ones(len(rows), np.bool_)
    # NaN and infinity travel through max and min, which are 20 times as fast as isfinite by rows.
    if rows.min() >= -_SINGLE_MAX and rows.max() <= _SINGLE_MAX:
        return np.ones(len(rows), np.bool_)
    good: NDArray[np.bool_] = (np.abs(rows) <= _SINGLE_MAX).all(axis=1)
    return good


def at_unit_scale(rows: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """Return finite rows as float32 and the factor that they were divided by.

    The factor is 1 unless the largest value lies outside 1e-12 … 1e12, where squares and their sums
    would leave the range of float32.

    Parameters
    ----------
    rows : ndarray, shape (n, d)

    Returns
    -------
    rows : ndarray, shape (n, d), float32
        The same array when nothing had to change.
    factor : float
    """
    extent = max(float(rows.max()), -float(rows.min())) if rows.size else 0.0
    if extent == 0 or _SMALL < extent < _LARGE:
        return rows.astype(np.float32, copy=False), 1.0
    return (rows / np.float64(extent)).astype(np.float32), extent


def as_scores(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as float32: NaN stays, what float32 cannot hold becomes its largest value."""
    return np.clip(values, -_SINGLE_MAX, _SINGLE_MAX).astype(np.float32)


def robust_location_scale(values: NDArray[Any]) -> tuple[float, float]:
    """Return the median and the scaled median absolute deviation, both of finite values.

    The scale estimates the standard deviation of a normal bulk (factor 1.4826) and falls back to
    the standard deviation when more than half of the values coincide; it is 0 only when all do.

    Parameters
    ----------
    values : ndarray, shape (n,)
        At least one value.
    """
    values = values.astype(np.float64, copy=False)
    middle = float(np.median(values))
    scale = 1.4826 * float(np.median(np.abs(values - middle)))
    return middle, scale if scale > 0 else float(values.std())
