"""Principal components from one pass over the rows, with a sign that does not flip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 8192
"""Rows per step: activations may be a memory map larger than memory."""


def leading_components(
    x: NDArray[np.floating], k: int, rows: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    """Return the coordinates of samples along their first principal components.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
        Activations.
    k : int
        Number of components; columns beyond ``d`` are zero.
    rows : ndarray, shape (m,), int, optional
        Rows to place; all when missing.

    Returns
    -------
    ndarray, shape (m, k), float32
        NaN for rows that are not finite. The component's largest loading is positive, so that the
        picture is not mirrored from run to run.
    """
    rows = np.arange(len(x)) if rows is None else rows
    placed = np.zeros((len(rows), k), np.float32)
    if not len(rows):
        return placed
    width = x.shape[1]
    total, scatter = np.zeros(width), np.zeros((width, width))
    count = 0
    finite = np.zeros(len(rows), bool)
    shift = None
    for part in _chunks(len(rows)):
        values = np.asarray(x[rows[part]], np.float64)
        finite[part] = np.isfinite(values).all(axis=1)
        values = values[finite[part]]
        if not len(values):
            continue
        if shift is None:  # Far from zero, products of uncentred values cancel to noise.
            shift = values.mean(axis=0)
        values -= shift
        total += values.sum(axis=0)
        scatter += values.T @ values
        count += len(values)
    placed[~finite] = np.nan
    if shift is None:
        return placed
    mean = total / count
    _, vectors = np.linalg.eigh(scatter / count - np.outer(mean, mean))
    directions = vectors[:, ::-1][:, :k]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    directions = directions * np.where(signs == 0, 1, signs)
    for part in _chunks(len(rows)):
        good = finite[part]
        values = np.asarray(x[rows[part]], np.float64)[good] - (shift + mean)
        block = placed[part]
        block[good, : directions.shape[1]] = values @ directions
    return placed


def pca_map(
    x: NDArray[np.floating], seed: int = 0, rows: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    """Place samples by their first two principal components.

    Parameters
    ----------
    x : ndarray, shape (n, d), float
    seed : int
        Not used: nothing is random here. Maps share one signature.
    rows : ndarray, shape (m,), int, optional
        Rows to place; all when missing.

    Returns
    -------
    ndarray, shape (m, 2), float32
    """
    return leading_components(x, 2, rows)


def _chunks(n: int) -> list[slice]:
    return [slice(start, min(n, start + _CHUNK)) for start in range(0, n, _CHUNK)]
