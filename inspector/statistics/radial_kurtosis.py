"""Directions in which a small group points away from an elliptical bulk, however heavy its tails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.covariance import whitener

_TYLER_STEPS = 12
_STEPS = 24
_STARTS = 16
_FOUND_ON = 1500
"""Rows that shape and directions are sought on; all rows are then projected."""


def radial_kurtosis_directions(
    coordinates: NDArray[np.floating],
    count: int = 12,
    *,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return signed distances along mutually orthogonal directions of largest kurtosis.

    Rows are whitened by Tyler's shape and put on the sphere, so that neither scale nor heavy tails
    matter. On the sphere a uniform bulk has the fourth moment 3k/(k+2) in every direction; a group
    of share ε that points one way raises it while ε(1 − ε) < 1/6. Directions come from fixed-point
    iteration, the best of several starts, each orthogonal to the former ones. Source: Tyler 1987 for
    the shape; Peña and Prieto 2001 for kurtosis directions; Hyvärinen 1999 for the fixed point.

    Parameters
    ----------
    coordinates : ndarray, shape (n, k)
        Along leading principal directions; k² well below n, else noise has kurtosis too.
    count : int
        Directions wanted; capped at k − 1.
    seed : int
    check : callable
        Called once for each direction; may raise to cancel.

    Returns
    -------
    distances : ndarray, shape (n, count), float64
        Projections on the sphere minus their median; the group's side is positive.
    kurtosis : ndarray, shape (count,), float64
        Fourth moment relative to 3k/(k+2), so 1 for a uniform bulk.
    """
    rows = np.asarray(coordinates, np.float64)
    width = rows.shape[1]
    count = max(1, min(count, width - 1)) if width > 1 else 1
    random = np.random.default_rng(seed)
    some = rows
    if len(rows) > _FOUND_ON:
        some = rows[np.sort(random.permutation(len(rows))[:_FOUND_ON])]
    centre, turn = tyler_shape(some)
    sphere, sought = _on_sphere(rows, centre, turn), _on_sphere(some, centre, turn)
    taken = np.zeros((width, 0))
    kurtosis = np.zeros(count)
    for j in range(count):
        check()
        vector = _most_kurtotic(sought, taken, random)
        fourth = float(((sought @ vector) ** 4).mean())
        kurtosis[j] = fourth * (width + 2) / (3 * width)
        # A group on one side has a long tail there: turn it to the positive side.
        along = sought @ vector
        if ((along - np.median(along)) ** 3).mean() < 0:
            vector = -vector
        taken = np.column_stack([taken, vector])
    distances = sphere @ taken
    return distances - np.median(distances, axis=0), kurtosis


def tyler_shape(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a robust centre and a whitener of the shape of rows, whatever their radial law.

    Parameters
    ----------
    rows : ndarray, shape (n, k), float64

    Returns
    -------
    centre : ndarray, shape (k,)
        Coordinatewise median.
    turn : ndarray, shape (k, k)
        (rows − centre) @ turn has the identity as shape.
    """
    centre = np.median(rows, axis=0)
    spread = np.maximum(
        np.median(np.abs(rows - centre), axis=0), 1e-12 * np.abs(rows).max(initial=1)
    )
    scaled = (rows - centre) / spread
    width = rows.shape[1]
    turn = np.eye(width)
    for _ in range(_TYLER_STEPS):
        moved = scaled @ turn
        squares = np.einsum("ij,ij->i", moved, moved)
        weights = width / np.maximum(squares, 1e-9 * max(float(np.median(squares)), 1e-300))
        shape = (scaled * weights[:, None]).T @ scaled / len(rows)
        shape *= width / max(float(np.trace(shape)), 1e-300)
        new = whitener(shape, 1e-3)
        if np.allclose(new @ new.T, turn @ turn.T, rtol=1e-3, atol=1e-6):
            turn = new
            break
        turn = new
    return centre, turn / spread[:, None]


def _on_sphere(
    rows: NDArray[np.float64], centre: NDArray[np.float64], turn: NDArray[np.float64]
) -> NDArray[np.float64]:
    moved = (rows - centre) @ turn
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    result: NDArray[np.float64] = np.sqrt(rows.shape[1]) * moved / np.where(lengths > 0, lengths, 1)
    return result


def _most_kurtotic(
    sphere: NDArray[np.float64], taken: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Iterate all starts at once: half of them rows, half random; return the best direction."""
    width = sphere.shape[1]
    rows = sphere[random.integers(0, len(sphere), _STARTS // 2)].T
    block = np.concatenate([rows, random.standard_normal((width, _STARTS // 2))], axis=1)
    block = _orthonormal(block, taken)
    null = 3 * width / (width + 2)
    for _ in range(_STEPS):
        along = sphere @ block
        moved = sphere.T @ along**3 / len(sphere) - null * block
        new = _orthonormal(moved, taken)
        still = np.abs(np.einsum("ij,ij->j", new, block)).min() > 1 - 1e-6
        block = new
        if still:
            break
    best = int(((sphere @ block) ** 4).mean(axis=0).argmax())
    vector: NDArray[np.float64] = block[:, best]
    return vector


def _orthonormal(block: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what lies along former directions and scale every column to length one."""
    block = block - taken @ (taken.T @ block)
    lengths = np.linalg.norm(block, axis=0)
    unit: NDArray[np.float64] = block / np.where(lengths > 0, lengths, 1)
    return unit
