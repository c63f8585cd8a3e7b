"""UMAP (McInnes, Healy, Melville 2018) over neighbours that we found ourselves."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from inspector.projection.principal import pca_map

FEWEST = 16
"""Below this many samples a neighbourhood graph says nothing; principal components are shown."""

_EXTENT = 10.0
"""Size of the starting layout, as UMAP scales its own."""


def umap_map(
    x: NDArray[np.floating],
    ids: NDArray[np.int32],
    distances: NDArray[np.float32],
    seed: int = 0,
) -> NDArray[np.float32]:
    """Place samples so that neighbours stay together. Reproducible for a seed.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
        Activations; only their principal components are used, as the start.
    ids, distances : ndarray, shape (n, k)
        From `nearest_neighbours`.
    seed : int

    Returns
    -------
    ndarray, shape (n, 2), float32
        NaN for samples without neighbours. Distances and gaps in it are not evidence.
    """
    placed = np.full((len(x), 2), np.nan, np.float32)
    rows = np.flatnonzero(ids[:, 0] >= 0)
    start = pca_map(x, rows=rows)
    extent = float(np.abs(start).max(initial=0.0))
    if len(rows) < max(FEWEST, ids.shape[1] + 1) or extent == 0.0:
        placed[rows] = start
        return placed
    # Only samples that can be placed are in the graph: their numbers close up.
    number = np.full(len(x), -1, np.int32)
    number[rows] = np.arange(len(rows), dtype=np.int32)
    start = start * (_EXTENT / extent)
    # A grain of noise keeps twins from lying on one point, where UMAP has no direction to push.
    start += np.random.default_rng(seed).normal(0, 1e-4, start.shape).astype(np.float32)
    placed[rows] = _layout(start, number[ids[rows]], distances[rows], seed)
    return placed


def _layout(
    start: NDArray[np.float32],
    ids: NDArray[np.int32],
    distances: NDArray[np.float32],
    seed: int,
) -> NDArray[np.float32]:
    import umap

    with warnings.catch_warnings():
        # It says that a seed means one thread, and that it was given neighbours; both are meant.
        warnings.simplefilter("ignore")
        model = umap.UMAP(
            n_neighbors=ids.shape[1],
            random_state=seed,
            n_jobs=1,
            init=start,
            precomputed_knn=(ids, distances),
            force_approximation_algorithm=True,
        )
        # The data itself is not looked at any more; the start stands in for it.
        found: NDArray[np.float32] = model.fit_transform(start)
    return found


def warm_up() -> None:
    """Compile what a map needs: 10 to 60 s, once per process, before anybody waits for it."""
    from inspector.projection.neighbours import nearest_neighbours

    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    umap_map(x, *nearest_neighbours(x), seed=0)
