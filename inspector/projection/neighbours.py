"""Nearest neighbours: exact by blocks of matrix products, approximate for very many samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.projection.principal import leading_components

COMPONENTS = 50
"""Activations are reduced to this many principal components first: neighbours hardly change."""

EXACT_LIMIT = 120_000
"""Samples up to which every pair is compared; the cost grows with the square."""

_BLOCK = 1024


def nearest_neighbours(
    x: NDArray[np.floating], k: int = 15, seed: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the nearest samples of every sample, itself first.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
        Activations. Rows that are not finite have no neighbours and are nobody's.
    k : int
        Neighbours of each, itself included; fewer where there are fewer samples.
    seed : int
        Seed of the approximate search (NN-descent, Dong et al. 2011), used beyond `EXACT_LIMIT`.

    Returns
    -------
    ids : ndarray, shape (n, k), int32
        -1 where there is none.
    distances : ndarray, shape (n, k), float32
        Euclidean; infinite where there is none.
    """
    n = len(x)
    finite = np.flatnonzero(np.isfinite(np.asarray(x)).all(axis=1))
    count = min(k, len(finite))
    ids = np.full((n, k), -1, np.int32)
    distances = np.full((n, k), np.inf, np.float32)
    if count == 0:
        return ids, distances
    values = np.asarray(x, np.float32)[finite]
    if values.shape[1] > COMPONENTS:
        values = leading_components(values, COMPONENTS)
    search = _exact if len(finite) <= EXACT_LIMIT else _approximate
    near, far = search(np.ascontiguousarray(values), count, seed)
    ids[finite, :count] = np.where(near >= 0, finite[np.clip(near, 0, None)], -1)
    distances[finite, :count] = far
    return ids, distances


def _exact(
    values: NDArray[np.float32], k: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    import torch

    # Centred: the expansion of the square loses digits far from zero.
    points = torch.from_numpy(values - values.mean(axis=0))
    squares = points.square().sum(1)
    near = np.empty((len(values), k), np.int64)
    far = np.empty((len(values), k), np.float32)
    for start in range(0, len(points), _BLOCK):
        block = points[start : start + _BLOCK]
        gaps = torch.addmm(squares[None, :], block, points.T, alpha=-2)
        gaps += squares[start : start + _BLOCK, None]
        own = torch.arange(len(block))
        gaps[own, own + start] = -1.0  # Itself first, whatever rounding and twins say.
        least, found = gaps.topk(k, dim=1, largest=False, sorted=True)
        near[start : start + _BLOCK] = found.numpy()
        far[start : start + _BLOCK] = least.clamp_(min=0).sqrt_().numpy()
    return near, far


def _approximate(
    values: NDArray[np.float32], k: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    from pynndescent import NNDescent

    # A fixed number of threads: the result depends on it, not only on the seed.
    index = NNDescent(values, n_neighbors=k, random_state=seed, n_jobs=2)
    near, far = index.neighbor_graph
    return near.astype(np.int64), far.astype(np.float32)
