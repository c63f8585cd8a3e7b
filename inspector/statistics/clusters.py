"""Two clusters in a cloud of points, found the same way every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 12
_STARTS = 3
_TRIED = 2048
"""Points that the starts are tried on; the best one is then iterated on all."""


def two_means(
    points: NDArray[np.float32],
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Split points in two clusters of least inertia.

    Lloyd's iteration from fixed starts: the outer tenth at either end of each of the first three
    columns, and the two halves of the first. Starting at the ends finds small groups that random
    starts miss, and the result does not depend on a seed.

    Parameters
    ----------
    points : ndarray, shape (n, k), float32

    Returns
    -------
    smaller : ndarray, shape (n,), bool
        Members of the smaller cluster; nobody when all points coincide.
    centres : ndarray, shape (2, k), float32
        Of the larger cluster, then of the smaller.
    """
    some = points[:: max(1, len(points) // _TRIED)]
    tried = [_lloyd(some, start) for start in _starting_splits(some)]
    if not tried:  # all points coincide
        centre = points.mean(axis=0)
        return np.zeros(len(points), np.bool_), np.stack([centre, centre])
    split = min(tried, key=lambda found: found[0])[1]
    if len(some) < len(points):
        split = _lloyd(points, _nearer_first(points, *_centres(some, split)))[1]
    if 2 * np.count_nonzero(split) > len(split):
        split = ~split
    inner, outer = _centres(points, split)
    return split, np.stack([outer, inner])


def _starting_splits(points: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    splits = [points[:, 0] > np.median(points[:, 0])]
    for column in points.T[:_STARTS]:
        low, high = np.quantile(column, [0.1, 0.9])
        splits += [column > high, column < low]
    return [split for split in splits if split.any() and not split.all()]


def _lloyd(
    points: NDArray[np.float32], split: NDArray[np.bool_]
) -> tuple[float, NDArray[np.bool_]]:
    """Iterate to a fixed point; return minus the between-cluster scatter, and the split."""
    for _ in range(_STEPS):
        moved = _nearer_first(points, *_centres(points, split))
        if np.array_equal(moved, split) or moved.all() or not moved.any():
            break
        split = moved
    inner, outer = _centres(points, split)
    inside = np.count_nonzero(split)
    gap = inner - outer
    return -float(gap @ gap) * inside * (len(points) - inside) / len(points), split


def _centres(
    points: NDArray[np.float32], split: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of those in the split and of those outside; neither side may be empty."""
    inside = np.count_nonzero(split)
    part = split.astype(np.float32) @ points
    rest = (~split).astype(np.float32) @ points
    inner, outer = np.float32(1 / inside), np.float32(1 / (len(points) - inside))
    return part * inner, rest * outer


def _nearer_first(
    points: NDArray[np.float32], inner: NDArray[np.float32], outer: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell who lies on the inner side of the bisecting plane: one product, not two distances."""
    nearer: NDArray[np.bool_] = points @ (inner - outer) > (inner @ inner - outer @ outer) / 2
    return nearer


def simplified_silhouette(points: NDArray[np.float32], centres: NDArray[np.float32]) -> float:
    """Return the mean silhouette with distances to centres instead of to every member.

    Between 0 (no two clusters) and 1. Source: Hruschka, de Castro, Campello 2004; Rousseeuw 1987.

    Parameters
    ----------
    points : ndarray, shape (n, k)
    centres : ndarray, shape (2, k)
    """
    distances = np.sqrt(((points[:, None, :] - centres) ** 2).sum(axis=2))
    near, far = distances.min(axis=1), distances.max(axis=1)
    return float(np.mean((far - near) / np.where(far > 0, far, 1.0)))
