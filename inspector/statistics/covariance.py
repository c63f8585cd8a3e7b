"""What is ordinary spread: pooled covariance, whitening, a covariance that ignores a minority."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.moments import Moments

_CONCENTRATED = 2048
"""Rows that the concentration steps work on before the last step takes all, as FAST-MCD nests."""

_THINNEST = 1e-3

SHRINKAGE = 1e-2
"""Share of the mean variance that is added to every direction before inverting."""


def pooled_covariance(groups: Sequence[Moments]) -> NDArray[np.float64]:
    """Return the within-group covariance, each group centred on its own mean.

    Parameters
    ----------
    groups : sequence of Moments
        At least one.

    Returns
    -------
    ndarray, shape (d, d), float64
    """
    count = sum(group.count for group in groups)
    scatter: NDArray[np.float64] = sum(
        (group.scatter for group in groups[1:]), start=groups[0].scatter.copy()
    )
    return scatter / max(count, 1)


def covariance_of_others(
    groups: Sequence[Moments], total: NDArray[np.float64], position: int
) -> NDArray[np.float64]:
    """Return the within-group covariance of all groups but one, so that it cannot hide itself.

    Parameters
    ----------
    groups : sequence of Moments
    total : ndarray, shape (d, d), float64
        `pooled_covariance` of all of them; passed in because it serves every position.
    position : int
        The group to leave out. When nothing else remains, its own covariance is returned.

    Returns
    -------
    ndarray, shape (d, d), float64
    """
    count = sum(group.count for group in groups)
    own = groups[position]
    if count == own.count:
        return total
    scatter = total * count - own.scatter
    # Where one group is a million times as wide as the rest, the difference is only rounding.
    if np.trace(scatter) < 1e-6 * np.trace(own.scatter):
        return pooled_covariance([*groups[:position], *groups[position + 1 :]])
    return scatter / (count - own.count)


def whitener(covariance: NDArray[np.float64], shrinkage: float = SHRINKAGE) -> NDArray[np.float64]:
    """Return W so that rows @ W have identity covariance up to shrinkage.

    W Wᵀ = (Σ + shrinkage · mean variance · I)⁻¹. The floor keeps directions in which nothing varies
    (units that never fire) from being blown up; without any variance W is the identity.

    Parameters
    ----------
    covariance : ndarray, shape (d, d)
    shrinkage : float

    Returns
    -------
    ndarray, shape (d, d), float64
    """
    size = len(covariance)
    floor = shrinkage * float(np.trace(covariance)) / max(size, 1)
    if not floor > np.finfo(np.float64).tiny:
        return np.eye(size)
    values, vectors = np.linalg.eigh(covariance)
    whitening: NDArray[np.float64] = vectors / np.sqrt(np.maximum(values, 0) + floor)
    return whitening


def concentrated_moments(
    rows: NDArray[Any], keep: float = 0.75, steps: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return location and covariance of the bulk, found by concentration steps.

    Starts from the coordinatewise median and a spread of 1 in every direction, then keeps the share
    of rows that lie nearest in Mahalanobis distance and estimates again. The covariance is scaled
    so that the median squared distance is that of a normal bulk. Source: Rousseeuw and Van Driessen
    1999, "A fast algorithm for the minimum covariance determinant estimator", section 3.

    Parameters
    ----------
    rows : ndarray, shape (n, k), float32 or float64
        In units in which ordinary spread is about 1. Few columns against rows (k² well below n),
        else the estimate is noise. Distances are taken in this type: they only order the rows.
    keep : float
        Share of rows kept; the share that may be foreign is at most ``1 - keep``.
    steps : int
        Most concentration steps; ends early when the kept rows no longer change.

    Returns
    -------
    location : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    """
    some = rows[:: max(1, len(rows) // _CONCENTRATED)]
    location = np.median(some, axis=0).astype(np.float64)
    turn = covariance = np.eye(rows.shape[1])
    kept = np.empty(0, np.intp)
    for _ in range(steps):
        nearest = _nearest(some, location, turn, keep)
        if np.array_equal(nearest, kept):
            break
        kept = nearest
        location, covariance = _location_covariance(some[kept])
        turn = whitener(covariance, _THINNEST)
    if len(some) < len(rows):
        location, covariance = _location_covariance(rows[_nearest(rows, location, turn, keep)])
        turn = whitener(covariance, _THINNEST)
    # Wilson and Hilferty 1931: the median of chi-squared with k degrees of freedom.
    columns = rows.shape[1]
    normal_median = columns * (1 - 2 / (9 * columns)) ** 3
    inflation = float(np.median(_distances(rows, location, turn))) / normal_median
    return location, covariance * (inflation if inflation > 0 else 1.0)


def _nearest(
    rows: NDArray[Any],
    location: NDArray[np.float64],
    turn: NDArray[np.float64],
    keep: float,
) -> NDArray[np.intp]:
    """Return the share of rows nearest to the location, in ascending order."""
    size = min(len(rows), max(math.ceil(keep * len(rows)), rows.shape[1] + 1))
    distances = _distances(rows, location, turn)
    return np.sort(np.argpartition(distances, size - 1)[:size])


def _location_covariance(rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    location = rows.mean(axis=0, dtype=np.float64)
    centred = rows - location.astype(rows.dtype)
    return location, (centred.T @ centred).astype(np.float64) / len(rows)


def _distances(
    rows: NDArray[Any], location: NDArray[np.float64], turn: NDArray[np.float64]
) -> NDArray[Any]:
    """Return squared Mahalanobis distances, shape (n,)."""
    white = (rows - location.astype(rows.dtype)) @ turn.astype(rows.dtype)
    lengths: NDArray[Any] = np.einsum("ij,ij->i", white, white)
    return lengths
