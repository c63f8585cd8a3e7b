"""Exact nearest neighbours by blocks of matrix products; memory does not grow with n²."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_CELLS = 16_000_000
"""Similarities in one block: 64 MiB of float32."""


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of length one, zero rows as they are."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def nearest(
    queries: NDArray[np.float32],
    among: NDArray[np.float32],
    count: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.float32]]]:
    """Yield, block by block, the nearest rows by cosine, in no order; a row may find itself.

    Parameters
    ----------
    queries : ndarray, shape (m, d), float32, rows of unit length
    among : ndarray, shape (n, d), float32, rows of unit length
    count : int
        Neighbours of each query; capped at n.
    check : callable
        Called before each block; may raise to cancel.

    Yields
    ------
    part : slice
        Which queries.
    rows : ndarray, shape (b, count), intp
    similarities : ndarray, shape (b, count), float32
    """
    count = min(count, len(among))
    step = max(1, _CELLS // max(len(among), 1))
    for start in range(0, len(queries), step):
        check()
        part = slice(start, start + step)
        similar = queries[part] @ among.T
        rows = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        yield part, rows, np.take_along_axis(similar, rows, axis=1)
