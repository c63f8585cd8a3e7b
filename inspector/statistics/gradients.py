"""Spectrum of last-layer gradients from their two factors, without ever building a gradient.

The gradient of the loss at the last linear layer is rank one for each sample: g = r ⊗ h with the
residual r (C,) and the input of the layer h (d,). Products of the covariance of g with a vector
need only products with the two factor matrices; memory stays at n·(C·k + d) instead of n·C·d.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.spectra import block_krylov, leading_eigenpairs, with_fixed_signs

_CELLS = 4_000_000
"""Numbers in one temporary array: 16 MiB of float32."""

_GRAM_SIDE = 2048
"""Largest n for which an n × n Gram matrix is considered: 32 MiB of float64."""


def with_bias(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append a column of ones, the input that the bias of the layer sees; (n, d) → (n, d + 1)."""
    extended = np.ones((len(activations), activations.shape[1] + 1), np.float32)
    extended[:, :-1] = activations
    return extended


def margins(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return log(p_y / (1 - p_y)): the loss in a form that never saturates.

    Parameters
    ----------
    logits : ndarray, shape (n, C)
    labels : ndarray, shape (n,), int

    Returns
    -------
    ndarray, shape (n,), float64
        Above 0 where the label has more than half of the probability; NaN where the label is
        outside 0 to C - 1, 0 when there is no other class.
    """
    found = np.full(len(logits), np.nan)
    rows = np.flatnonzero((labels >= 0) & (labels < logits.shape[1]))
    if logits.shape[1] < 2:
        found[rows] = 0
        return found
    others = np.array(logits[rows], np.float64)
    place = np.arange(len(rows)), np.asarray(labels)[rows]
    own = others[place]
    others[place] = -np.inf
    top = others.max(axis=1, initial=-np.inf)
    with np.errstate(invalid="ignore"):  # infinite answers
        found[rows] = own - top - np.log(np.exp(others - top[:, None]).sum(axis=1))
    return found


def margin_residuals(logits: NDArray[np.floating], label: int) -> NDArray[np.float32]:
    """Return the direction of the loss gradient at the logits, for samples of one label.

    r = softmax(logits) − e_y = (1 − p_y) · (q − e_y), where q is the softmax over the other
    classes. This returns q − e_y: the gradient of the margin log(p_y / (1 − p_y)) with its sign
    turned. A well-fitted sample has r near zero, so its direction is lost in rounding and its
    weight in any covariance; poison is the best-fitted part of a class. Source: Park and others
    2023, "TRAK", section 3.2 for the margin; Hammoudeh and Lowd 2022 for why magnitude must go.

    Parameters
    ----------
    logits : ndarray, shape (n, C), finite
    label : int
        The given label y of all of these samples.

    Returns
    -------
    ndarray, shape (n, C), float32
        Rows sum to zero; column y is −1 (0 when C is 1).
    """
    others = logits.astype(np.float32)
    others[:, label] = -np.inf
    if others.shape[1] == 1:
        return np.zeros_like(others)
    others -= others.max(axis=1, keepdims=True)
    np.exp(others, out=others)
    others /= others.sum(axis=1, keepdims=True)
    others[:, label] = -1.0
    return others


def gradient_spectrum(
    residuals: NDArray[np.floating],
    inputs: NDArray[np.floating],
    count: int,
    *,
    start: NDArray[np.float64] | None = None,
    tolerance: float = 1e-6,
    rounds: int = 8,
    depth: int = 6,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return leading eigenvalues of Cov(r ⊗ h) and the centred gradients' coordinates along them.

    Equal to a singular value decomposition of the centred (n, C·d) gradient matrix, which is never
    built. Two exact routes, the cheaper one is taken: the Gram matrix K = (R Rᵀ) ∘ (H Hᵀ), centred
    on both sides, or products G v = Σ_c R_c ∘ (H V_c) and Gᵀ u = Rᵀ diag(u) H in a block Krylov
    iteration. Work is in the type of the arguments; sums of products over samples in float64.

    Parameters
    ----------
    residuals : ndarray, shape (n, C)
    inputs : ndarray, shape (n, d)
        Inputs of the layer; with a column of ones when the bias counts, see `with_bias`.
    count : int
        Number of pairs; capped at n and at C·d.
    start : ndarray, shape (C, d, s), optional
        Directions in gradient space that are likely to matter.
    tolerance, rounds, depth
        See `spectra.block_krylov`.

    Returns
    -------
    values : ndarray, shape (count,), float64
        Variances, descending (divided by n).
    coordinates : ndarray, shape (n, count), float64
        Projections of the centred gradients; column j has mean 0 and variance ``values[j]``.
    """
    rows, outputs = residuals.shape
    size = outputs * inputs.shape[1]
    count = min(count, rows, size)
    width = count + 2
    free_cost = 2 * size * width * depth
    if rows <= _GRAM_SIDE and rows * (outputs + inputs.shape[1]) < free_cost:
        return _by_gram(residuals, inputs, count)
    mean = (residuals.T @ inputs).astype(np.float64).reshape(-1) / rows
    step = max(1, _CELLS // (outputs * (width + 1)))

    def coordinates(block: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.empty((rows, block.shape[1]))
        turned = _by_input(block, outputs).astype(inputs.dtype)
        for low in range(0, rows, step):
            part = slice(low, low + step)
            shape = (-1, outputs, block.shape[1])
            found[part] = np.einsum(
                "nc,ncb->nb", residuals[part], (inputs[part] @ turned).reshape(shape)
            )
        found -= mean @ block
        return found

    def covariance_times(block: NDArray[np.float64]) -> NDArray[np.float64]:
        along = coordinates(block)
        total = np.zeros((inputs.shape[1], outputs * block.shape[1]))
        for low in range(0, rows, step):
            part = slice(low, low + step)
            weighted = residuals[part, :, None] * along[part, None, :].astype(inputs.dtype)
            total += inputs[part].T @ weighted.reshape(len(weighted), -1)
        shape = (inputs.shape[1], outputs, block.shape[1])
        image = total.reshape(shape).transpose(1, 0, 2).reshape(size, -1)
        return (image - np.outer(mean, along.sum(axis=0))) / rows

    values, vectors = block_krylov(
        covariance_times,
        size,
        count,
        start=None if start is None else start.reshape(size, -1),
        tolerance=tolerance,
        rounds=rounds,
        depth=depth,
    )
    return np.maximum(values, 0), coordinates(with_fixed_signs(vectors))


def _by_input(block: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    """Turn (C·d, b) into (d, C·b), so that one product with the inputs serves every output."""
    shape = (outputs, -1, block.shape[1])
    return block.reshape(shape).transpose(1, 0, 2).reshape(len(block) // outputs, -1)


def _by_gram(
    residuals: NDArray[np.floating], inputs: NDArray[np.floating], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    outer = residuals.astype(np.float64)
    inner = inputs.astype(np.float64)
    gram = (outer @ outer.T) * (inner @ inner.T)
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    values, vectors = leading_eigenpairs(gram, count)
    return values / len(gram), vectors * np.sqrt(values)
