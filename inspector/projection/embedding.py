"""UMAP maps (McInnes, Healy and Melville 2018), reproducible for a seed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from inspector.projection.neighbours import nearest_neighbours
from inspector.projection.pca import pca_map

FEWEST = 16
"""Samples below which the principal components are the map: fewer have no neighbourhoods."""

_JITTER = 1e-4
"""Share of the start's spread by which it is shaken, so that equal samples can part."""


def umap_map(
    x: NDArray[np.floating],
    ids: NDArray[np.integer],
    distances: NDArray[np.floating],
    seed: int = 0,
    init: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Place samples in the plane such that neighbours stay together.

    Runs for seconds to minutes inside compiled code and cannot be interrupted: give it a process
    that can be ended.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
    ids, distances : ndarray, shape (n, k)
        From `nearest_neighbours`.
    seed : int
        The same seed gives the same map on the same machine.
    init : ndarray, shape (n, 2), optional
        Where the samples begin; by default at their principal components, which keeps the map
        comparable with theirs.

    Returns
    -------
    ndarray, shape (n, 2), float32
        NaN for samples with a value that is not finite. Where there are fewer than 16 samples, or
        every sample has an equal one, their principal components.
    """
    start = pca_map(x, seed) if init is None else np.array(init, np.float32)
    alone = (np.asarray(ids) < 0).all(axis=1)
    start[~np.isfinite(start).all(axis=1)] = np.nan
    rows = np.flatnonzero(np.isfinite(start[:, 0]) & ~alone)
    if len(rows) < FEWEST or not np.asarray(distances)[rows, 0].any():
        return start
    near, far = _with_themselves(np.asarray(ids), np.asarray(distances), rows)
    placed = np.full((len(x), 2), np.nan, np.float32)
    placed[rows] = _fit(near, far, _shaken(start[rows], seed), seed)
    return placed


def warm_up() -> None:
    """Compile what `nearest_neighbours` and `umap_map` need, 10 to 60 s, on made-up samples."""
    from inspector.projection import neighbours

    x = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
    neighbours._descend(x, 15, 0)
    umap_map(x, *nearest_neighbours(x))


def _with_themselves(
    ids: NDArray[np.integer], distances: NDArray[np.floating], rows: NDArray[np.intp]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the neighbour table that UMAP wants: positions among ``rows``, each sample first."""
    position = np.full(len(ids) + 1, -1, np.int64)  # The last place answers for the id -1.
    position[rows] = np.arange(len(rows))
    near = position[ids[rows]]
    columns = (near >= 0).any(axis=0)
    near, far = near[:, columns], np.array(distances[rows][:, columns], np.float32)
    far[near < 0] = np.inf  # UMAP takes -1 for a missing neighbour, at an infinite distance.
    own = np.arange(len(rows))[:, None]
    near = np.concatenate([own, near], axis=1)
    far = np.concatenate([np.zeros_like(far[:, :1]), far], axis=1)
    # The unit does not matter to UMAP, but squares of huge numbers overflow in its float32.
    far /= np.median(far[(far > 0) & np.isfinite(far)])
    # UMAP's compiled code takes these types and this layout alone.
    return np.ascontiguousarray(near, np.int32), np.ascontiguousarray(far, np.float32)


def _shaken(start: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return the start at unit spread, slightly shaken."""
    wide = start.astype(np.float64)
    wide /= float(np.ptp(wide, axis=0).max()) or 1.0
    noise = np.random.default_rng(seed).normal(scale=_JITTER, size=start.shape)
    return (wide + noise).astype(np.float32)


def _fit(
    near: NDArray[np.int32], far: NDArray[np.float32], start: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    from umap import UMAP

    model = UMAP(
        n_neighbors=near.shape[1],
        n_components=2,
        metric="euclidean",
        init=start,
        random_state=seed,
        # A seed forces one thread; said here, or UMAP warns that it overrides ours.
        n_jobs=1,
        precomputed_knn=(near, far, None),
        # Below 4,096 samples UMAP would otherwise ignore the neighbours and compare all pairs.
        force_approximation_algorithm=True,
    )
    with warnings.catch_warnings():
        # It warns that new samples cannot be placed afterwards, and of samples left alone.
        warnings.simplefilter("ignore")
        # With neighbours given, the data themselves serve for their number alone.
        placed = model.fit_transform(start)
    return np.asarray(placed, np.float32)
