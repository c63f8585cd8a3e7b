"""Principal components of activations that need not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FIT_VALUES = 8 << 20
"""Numbers (float64) that the axes are fitted on; of more samples a random part is taken."""

_APPLY_VALUES = 4 << 20
"""Numbers that are projected at once."""

_DENSE = 512
"""Dimensions up to which all axes are computed and not just the first ones."""


@dataclass(frozen=True)
class Axes:
    """Centre (d,) and orthonormal axes (d, m), by falling variance; float64."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]

    def apply(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the coordinates (n, m) of samples (n, d)."""
        placed: NDArray[np.float64] = (np.asarray(x, np.float64) - self.centre) @ self.axes
        return placed


def pca_map(
    x: NDArray[np.floating], seed: int = 0, rows: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    """Return the first two principal components (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    x : ndarray, shape (n, d), float
        May be a memory map: it is read in parts.
    seed : int
        Seed of the random part of the samples that the axes are fitted on where there are more
        than 8 million numbers.
    rows : ndarray, shape (m,), int, optional
        Samples to place; None for all.

    Returns
    -------
    ndarray, shape (m, 2), float32
        In units of the activations, centred. NaN for samples with a value that is not finite. A
        second component that does not exist (one feature, two samples) is 0. Signs are such that
        the largest coordinate of each axis is positive.
    """
    wanted = np.arange(len(x)) if rows is None else np.asarray(rows, np.int64)
    placed = np.full((len(wanted), 2), np.nan, np.float32)
    usable = wanted[finite_rows(x, wanted)]
    if not len(usable):
        return placed
    found = fit_axes(x, usable, 2, seed)
    for start in range(0, len(wanted), step := _step(x.shape[1])):
        part = np.asarray(x[wanted[start : start + step]], np.float64)
        good = np.isfinite(part).all(axis=1)
        placed[start : start + step][good] = found.apply(part[good])
    return placed


def finite_rows(x: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell which of some rows hold finite numbers alone, (m,) bool."""
    step = _step(x.shape[1])
    parts = [
        np.isfinite(x[rows[start : start + step]]).all(axis=1)
        for start in range(0, len(rows), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def fit_axes(x: NDArray[np.floating], rows: NDArray[np.integer], count: int, seed: int) -> Axes:
    """Fit principal axes.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
    rows : ndarray, shape (m,), int
        Samples with finite values, at least one.
    count : int
        Number of axes wanted.
    seed : int

    Returns
    -------
    Axes
        With ``count`` columns; those without variance are 0.
    """
    most = max(2 * count, _FIT_VALUES // max(1, x.shape[1]))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    sample = np.asarray(x[rows], np.float64)
    centre = sample.mean(axis=0)
    sample -= centre
    # Squares of values beyond 1e154 would overflow.
    scale = np.abs(sample).max(initial=0.0)
    axes = np.zeros((x.shape[1], count))
    if scale > 0:
        found = _leading(sample / scale, count, seed)
        axes[:, : found.shape[1]] = found
    return Axes(centre, axes)


def _leading(sample: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Return the leading right singular vectors of a centred sample, those with variance."""
    n, d = sample.shape
    if d <= _DENSE:
        values, vectors = np.linalg.eigh(sample.T @ sample)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    elif n <= _DENSE:
        _, singular, right = np.linalg.svd(sample, full_matrices=False)
        values, vectors = singular[:count] ** 2, right[:count].T
    else:
        from scipy.sparse.linalg import LinearOperator, eigsh

        covariance = LinearOperator(
            (d, d), matvec=lambda v: sample.T @ (sample @ v), dtype=np.float64
        )
        start = sample.T @ np.random.default_rng(seed).normal(size=n)
        values, vectors = eigsh(covariance, k=count, v0=start, tol=1e-6)
        order = np.argsort(values)[::-1]
        values, vectors = values[order], vectors[:, order]
    # Variance at the level of rounding is none: its axis would be arbitrary.
    real = values > values[0] * 1e-12
    vectors = vectors[:, real]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    oriented: NDArray[np.float64] = vectors * signs
    return oriented


def _step(width: int) -> int:
    return max(1, _APPLY_VALUES // max(1, width))
