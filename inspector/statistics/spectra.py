"""Leading eigenvectors of symmetric matrices and of data, without a full decomposition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.moments import Moments, moments

_DENSE = 384
"""Up to this many columns the Gram matrix and LAPACK's eigh are faster than iterating."""

_SINGLE_TOLERANCE = 1e-5
"""Residual that float32 products can reach, relative to the largest eigenvalue."""

_STEPS, _RESTARTS = 24, 6

_STARTED = 4096
"""Rows that the starting vector is found on where there are many more."""


def leading_eigenpairs(
    matrix: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues of a symmetric matrix with their vectors.

    Parameters
    ----------
    matrix : ndarray, shape (d, d)
    count : int
        How many; capped at d.

    Returns
    -------
    values : ndarray, shape (count,), float64
        Descending; rounding below zero is cut off at zero.
    vectors : ndarray, shape (d, count), float64
        Orthonormal columns whose largest entry is positive, so that runs agree on signs.
    """
    count = min(count, len(matrix))
    if len(matrix) <= _DENSE:
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    else:
        values, vectors = block_krylov(lambda block: matrix @ block, len(matrix), count)
    return np.maximum(values, 0), with_fixed_signs(vectors)


def block_krylov(
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    size: int,
    count: int,
    *,
    start: NDArray[np.float64] | None = None,
    depth: int = 6,
    tolerance: float = 1e-6,
    rounds: int = 8,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return leading eigenpairs of a symmetric positive operator known by its products.

    Block Krylov iteration with full orthogonalisation, restarted from its own Ritz vectors until
    ‖Av − λv‖ ≤ tolerance · λ₁ for every wanted pair or the rounds are used up. Source: Musco and
    Musco 2015, "Randomized block Krylov methods for stronger and faster approximate SVD".

    Parameters
    ----------
    apply : callable
        Maps (size, b) to (size, b) float64.
    size : int
        Order of the operator.
    count : int
        Number of pairs; capped at `size`.
    start : ndarray, shape (size, s), optional
        Directions that are likely to matter; random ones (of a fixed seed) fill the block.
    depth : int
        Products per round.
    tolerance : float
        Residual relative to the largest eigenvalue.
    rounds : int
        Most restarts.

    Returns
    -------
    values : ndarray, shape (count,), descending
    vectors : ndarray, shape (size, count), orthonormal columns
    """
    count = min(count, size)
    width = min(count + 2, size)
    block = np.random.default_rng(0).standard_normal((size, width))
    if start is not None:
        block[:, : min(width, start.shape[1])] = start[:, :width]
    values, vectors = np.zeros(count), np.zeros((size, count))
    for _ in range(rounds):
        basis, images = _krylov_space(apply, block, depth)
        small = basis.T @ images
        inner, turn = np.linalg.eigh((small + small.T) / 2)
        inner, turn = inner[::-1], turn[:, ::-1]
        values, vectors = inner[:count], basis @ turn[:, :count]
        residual = np.linalg.norm(images @ turn[:, :count] - vectors * values, axis=0)
        if residual.max(initial=0) <= tolerance * max(values[0], np.finfo(float).tiny):
            break
        block = basis @ turn[:, :width]
    return values, vectors


def _krylov_space(
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    block: NDArray[np.float64],
    depth: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an orthonormal basis of block, A·block, … and what the operator makes of it."""
    blocks: list[NDArray[np.float64]] = []
    images: list[NDArray[np.float64]] = []
    for _ in range(depth):
        block = _new_directions(block, blocks)
        if not block.shape[1]:
            break
        blocks.append(block)
        images.append(apply(block))
        block = images[-1]
    return np.hstack(blocks), np.hstack(images)


def _new_directions(
    block: NDArray[np.float64], known: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return an orthonormal basis of what the block adds to orthonormal blocks; may be empty."""
    for _ in range(2):  # one sweep of Gram-Schmidt loses orthogonality to rounding
        lengths = np.linalg.norm(block, axis=0)
        for done in known:
            block = block - done @ (done.T @ block)
        basis, triangle = np.linalg.qr(block)
        # A column that shrank to rounding adds nothing, and QR fills its place with anything.
        new = np.abs(np.diag(triangle)) > 1e-10 * max(float(lengths.max(initial=0)), 1e-300)
        block = basis[:, new]
    return block


def principal_components(
    rows: NDArray[np.float32], count: int, known: Callable[[], Moments] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, leading variances and leading directions of finite rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d), float32
        At a scale whose squares float32 can hold, see `rows.at_unit_scale`.
    count : int
        How many; capped at d.
    known : callable, optional
        Returns the moments of these rows, where they serve others too; asked if d is small.

    Returns
    -------
    mean : ndarray, shape (d,), float64
    variances : ndarray, shape (count,), float64, descending
    directions : ndarray, shape (d, count), float64
        Orthonormal columns, largest entry positive.
    """
    columns = rows.shape[1]
    if columns <= _DENSE:
        found = moments(rows) if known is None else known()
        variances, directions = leading_eigenpairs(found.covariance, count)
        return found.mean, variances, directions
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean.astype(np.float32)

    def covariance_times(block: NDArray[np.float64]) -> NDArray[np.float64]:
        projected = centred @ block.astype(np.float32)
        return (centred.T @ projected).astype(np.float64) / max(len(rows), 1)

    variances, directions = block_krylov(
        covariance_times, columns, count, tolerance=_SINGLE_TOLERANCE, rounds=3
    )
    return mean, np.maximum(variances, 0), with_fixed_signs(directions)


def spectral_projections(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], float, float]:
    """Return projections of centred rows on their top right singular vector.

    The vector comes from Lanczos iteration on products with the rows, six to ten of which are
    usually enough; no covariance and no decomposition is formed. With many rows it starts from the
    vector of an evenly spaced part of them. Source: Tran, Li, Mądry 2018, "Spectral signatures in
    backdoor attacks", algorithm 1; the scores there are the squares.

    Parameters
    ----------
    rows : ndarray, shape (n, d), float32
        Finite, at a scale whose squares float32 can hold, see `rows.at_unit_scale`; n ≥ 1.

    Returns
    -------
    projections : ndarray, shape (n,), float64
        Of mean 0; the sign of the vector is arbitrary.
    largest : float
        Variance along the vector.
    total : float
        Sum of the variances of all columns.
    """
    centred: NDArray[np.float32] = rows - rows.mean(axis=0)
    # A mean of float32 is off by rounding of the values; what remains is small and taken out here.
    centred -= centred.mean(axis=0)
    start = np.asarray(np.random.default_rng(0).standard_normal(rows.shape[1]))
    if len(rows) > 4 * _STARTED:
        start = _leading_direction(centred[:: len(rows) // _STARTED], start)[1]
    largest, top = _leading_direction(centred, start)
    along = (centred @ top.astype(np.float32)).astype(np.float64)
    total = float(np.einsum("ij,ij->j", centred, centred).sum(dtype=np.float64)) / len(rows)
    return along, largest / len(rows), total


def _leading_direction(
    centred: NDArray[np.float32], vector: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the largest eigenvalue of XᵀX and its vector by Lanczos iteration from a vector."""
    columns = centred.shape[1]
    value = 0.0
    for _ in range(_RESTARTS):
        basis = np.zeros((min(_STEPS, columns), columns))
        diagonal, beside = np.zeros(len(basis)), np.zeros(len(basis))
        vector = _unit(vector)
        for step in range(len(basis)):
            basis[step] = vector
            image = (centred.T @ (centred @ vector.astype(np.float32))).astype(np.float64)
            diagonal[step] = image @ vector
            known = basis[: step + 1]
            for _twice in range(2):  # one sweep of Gram-Schmidt loses orthogonality to rounding
                image -= known.T @ (known @ image)
            beside[step] = np.linalg.norm(image)
            ended = beside[step] <= 1e-12 * diagonal[0] or step + 1 == len(basis)
            if ended or step % 2:
                small = np.diag(diagonal[: step + 1])
                small += np.diag(beside[:step], 1) + np.diag(beside[:step], -1)
                values, turn = np.linalg.eigh(small)
                value = float(values[-1])
                # What is left of Av − λv is known without another product (Parlett 1980, §13.2).
                if beside[step] * abs(turn[-1, -1]) <= _SINGLE_TOLERANCE * value:
                    return value, known.T @ turn[:, -1]
            if ended:
                break
            vector = _unit(image)
        vector = known.T @ turn[:, -1]
    return value, vector


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    scaled: NDArray[np.float64] = vector / (length if length > 0 else 1.0)
    return scaled


def with_fixed_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn every column so that its entry of largest magnitude is positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return vectors * np.where(largest < 0, -1.0, 1.0)
