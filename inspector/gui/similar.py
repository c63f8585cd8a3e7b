"""Which samples the model sees as most alike: nearest in its activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 22
"""Numbers that are compared at a time: 16 MiB of float32."""


def most_alike(
    activations: NDArray[np.floating], row: int, count: int = 200
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the nearest samples to one, itself first.

    Parameters
    ----------
    activations : ndarray, shape (n, d)
        May be a memory map; read once in chunks.
    row : int
        The sample to compare with.
    count : int
        How many to return at most.

    Returns
    -------
    rows : ndarray, shape (k,)
        Samples with finite activations only.
    distances : ndarray, shape (k,), float32
        Euclidean.
    """
    n, width = activations.shape
    target = np.asarray(activations[row], np.float32)
    distances = np.empty(n, np.float32)
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, n, step):
        gap = np.asarray(activations[start : start + step], np.float32) - target
        distances[start : start + step] = np.einsum("ij,ij->i", gap, gap)
    distances[~np.isfinite(distances)] = np.inf
    distances[row] = -1.0
    few = min(count, n)
    rows = np.argpartition(distances, few - 1)[:few]
    rows = rows[np.argsort(distances[rows], kind="stable")]
    rows = rows[np.isfinite(distances[rows])]
    return rows, np.sqrt(np.maximum(distances[rows], 0))
