"""Directions in which a small group lies far outside the bulk, and how far samples lie there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.covariance import concentrated_moments
from inspector.statistics.rows import robust_location_scale


def tail_direction(
    coordinates: NDArray[np.floating], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, int]:
    """Choose the direction whose variance comes most from a few samples.

    For every direction the excess is variance / robust variance: 1 for a normal bulk, below 1 for
    two equal halves, 1 + ε·δ² for a group of share ε that lies δ robust deviations out. The
    direction with the largest excess · variance is taken: far-out groups count, noise directions do
    not.

    Parameters
    ----------
    coordinates : ndarray, shape (n, J)
        Samples along J ≥ 1 directions, n ≥ 1.
    variances : ndarray, shape (J,)
        Weight of each direction, in units common to all of them.

    Returns
    -------
    distances : ndarray, shape (n,), float64
        |coordinate − median| / robust deviation in the chosen direction; 0 when all coincide.
    excess : float
        Of the chosen direction.
    chosen : int
    """
    standard = np.stack([robust_distances(column)[0] for column in coordinates.T], axis=1)
    excess = (standard**2).mean(axis=0)
    chosen = int((excess * variances).argmax())
    return np.abs(standard[:, chosen]), float(excess[chosen]), chosen


def contrast_direction(
    coordinates: NDArray[np.floating], *, keep: float = 0.6, ordinary: float = 3.0
) -> NDArray[np.float64]:
    """Return the direction in which all samples spread most against what is ordinary.

    Maximises vᵀΣv / vᵀ(R + ordinary · I)v with Σ the covariance of all samples and R that of their
    bulk, found by concentration steps. In whitened coordinates I is the spread of the other
    classes: it keeps directions in which the bulk happens to be very thin from winning by noise. A
    planted group seldom lies along an eigenvector of Σ, which mixes it with natural variation.

    Parameters
    ----------
    coordinates : ndarray, shape (n, k)
        Centred, whitened by other classes; k² well below n.
    keep : float
        Share taken as bulk; up to ``1 - keep`` may be foreign.
    ordinary : float
        Weight of the spread of other classes.

    Returns
    -------
    ndarray, shape (k,), float64, unit length
    """
    _, bulk = concentrated_moments(coordinates, keep)
    lower = np.linalg.cholesky(bulk + ordinary * np.eye(coordinates.shape[1]))
    inverse = np.linalg.inv(lower)
    covariance = (coordinates.T @ coordinates).astype(np.float64) / len(coordinates)
    _, vectors = np.linalg.eigh(inverse @ covariance @ inverse.T)
    direction = inverse.T @ vectors[:, -1]
    unit: NDArray[np.float64] = direction / np.linalg.norm(direction)
    return unit


def robust_distances(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Return (value − median) / robust deviation, and the mean of its square.

    Parameters
    ----------
    values : ndarray, shape (n,), finite

    Returns
    -------
    distances : ndarray, shape (n,), float64
        0 throughout when all values coincide.
    excess : float
        About 1 for a normal bulk without a group far out.
    """
    precise: NDArray[np.float64] = values.astype(np.float64, copy=False)
    middle, scale = robust_location_scale(precise)
    distances = (precise - middle) / (scale if scale > 0 else 1.0)
    return distances, float((distances**2).mean())
