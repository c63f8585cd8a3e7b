"""Mean and scatter of rows in one pass, merged exactly: chunks and shards may be any size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192
"""Rows per GEMM: 64 MiB of float32 at 2,048 columns."""

_SAFE_SINGLE = 1e15
"""Above it (and below its reciprocal) sums of float32 squares leave the range of float32."""


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of a set of rows.

    Attributes
    ----------
    count : int
        Number of rows.
    mean : ndarray, shape (d,), float64
        Their mean; zero when there are none.
    scatter : ndarray, shape (d, d), float64
        Sum over rows of the outer product of the centred row with itself.
    """

    count: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Scatter divided by the count (the maximum-likelihood estimate), zero for no rows."""
        return self.scatter / max(self.count, 1)

    def __add__(self, other: Moments) -> Moments:
        """Merge two disjoint sets of rows exactly.

        Source: Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1.
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        shift = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + shift * share,
            self.scatter + other.scatter + np.outer(shift, shift) * (self.count * share),
        )


def nothing(columns: int) -> Moments:
    """Return the moments of no rows, the neutral element of merging."""
    return Moments(0, np.zeros(columns), np.zeros((columns, columns)))


def moments(rows: NDArray[Any], chunk: int = CHUNK) -> Moments:
    """Return the moments of finite rows.

    Each chunk is centred on its own mean before its Gram matrix is taken. That lets float32 input
    go through a float32 GEMM without the cancellation of E[xxᵀ] − mmᵀ (relative error of a diagonal
    entry 4e-7, against more than 1 for the naive form at mean 50 and deviation 0.01); accumulation
    is float64. Values so large or small that float32 squares leave its range go through float64.

    Parameters
    ----------
    rows : ndarray, shape (n, d), float32 or float64
    chunk : int
        Rows per step. The result does not depend on it beyond rounding.

    Returns
    -------
    Moments
    """
    parts = (_of_chunk(rows[start : start + chunk]) for start in range(0, len(rows), chunk))
    return merged(parts, rows.shape[1])


def merged(parts: Iterable[Moments], columns: int) -> Moments:
    """Merge parts in the order given; the same order gives the same bytes."""
    return reduce(Moments.__add__, parts, nothing(columns))


def _of_chunk(block: NDArray[Any]) -> Moments:
    count = len(block)
    if block.dtype == np.float32:
        extent = max(float(block.max(initial=0)), -float(block.min(initial=0)))
        if not (1 / _SAFE_SINGLE < extent < _SAFE_SINGLE) and extent:
            block = block.astype(np.float64)
    elif block.dtype != np.float64:
        block = block.astype(np.float64)
    shift = block.mean(axis=0)
    centred = block - shift
    # The chunk's mean was rounded to the type of the block; what it missed is small and exact here.
    rest = centred.mean(axis=0, dtype=np.float64)
    scatter = (centred.T @ centred).astype(np.float64) - count * np.outer(rest, rest)
    return Moments(count, shift.astype(np.float64) + rest, scatter)
