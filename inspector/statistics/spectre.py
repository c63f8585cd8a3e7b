"""Robust covariance and the choice of dimension of SPECTRE, as published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.covariance import whitener
from inspector.statistics.quantum import quantum_entropy_scores

DIMENSIONS = (1, 4, 9, 16, 25, 36, 49, 64, 81, 100)
"""Numbers of principal components that are tried."""

_SHRINKAGE = 1e-9
_POWER_STEPS = 12
_CONSTANT = 10.0


def filtered_covariance(
    rows: NDArray[np.float64],
    share: float,
    *,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:
    """Return a covariance from which rows with an excess of fourth moments were filtered.

    Whitens by the present covariance, finds the symmetric matrix V along which vec(yyᵀ) varies most
    beyond a Gaussian, and drops the rows with the largest |(yᵀVy − tr V)/√2 − median| until the
    excess is what a share ``share`` can explain, or 2 · share of the rows are gone. Source:
    Diakonikolas and others 2017, "Being robust (in high dimensions) can be practical", algorithm 2.

    Parameters
    ----------
    rows : ndarray, shape (n, k), float64
        Centred.
    share : float
        Share of foreign rows at most.
    seed : int
        Of the start of the power iteration.
    check : callable
        Called in each round; may raise to cancel.
    """
    kept = np.ones(len(rows), np.bool_)
    random = np.random.default_rng(seed)
    allowed = round(2 * share * len(rows))
    width = rows.shape[1]
    while True:
        check()
        covariance = rows[kept].T @ rows[kept] / max(int(np.count_nonzero(kept)), 1)
        spare = allowed - int(np.count_nonzero(~kept))
        if spare <= 0 or share <= 0:
            return covariance
        white = rows[kept] @ whitener(covariance, _SHRINKAGE)
        start = random.standard_normal((width, width))
        form: NDArray[np.float64] = (start + start.T) / 2
        for _ in range(_POWER_STEPS):
            along = np.einsum("ij,jk,ik->i", white, form, white)
            image = (white * along[:, None]).T @ white / len(white)
            image -= np.trace(form) * np.eye(width)
            form = image / max(float(np.linalg.norm(image)), 1e-300)
        along = np.einsum("ij,jk,ik->i", white, form, white)
        excess = float((along**2).mean() - np.trace(form) ** 2)
        # 2 is the value for a Gaussian and a form of Frobenius norm 1.
        if excess <= 2 * (1 + _CONSTANT * share * np.log(1 / share) ** 2):
            return covariance
        values = (along - np.trace(form)) / np.sqrt(2)
        distances = np.abs(values - np.median(values))
        worst = np.argsort(-distances)[: max(1, min(spare, allowed // 8 or 1))]
        kept[np.flatnonzero(kept)[worst]] = False


def spectre_scores(
    coordinates: NDArray[np.float64],
    share: float,
    *,
    alpha: float = 4.0,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float64], float, int]:
    """Return the scores of the dimension whose removal leaves the largest objective.

    Source: Hayase, Kong, Somani, Oh 2021, "SPECTRE: Defending against backdoor attacks using robust
    statistics", algorithms 1 and 2.

    Parameters
    ----------
    coordinates : ndarray, shape (n, K), float64
        Along the leading principal components of one class, centred; K up to 100.
    share : float
        Share of poison in the class at most; 1.5 times as many are removed for the comparison.
    alpha : float
        Of the quantum entropy score.
    seed : int
    check : callable

    Returns
    -------
    scores : ndarray, shape (n,), float64
    objective : float
    dimension : int
    """
    n, width = coordinates.shape
    best: tuple[NDArray[np.float64], float, int] | None = None
    for k in DIMENSIONS:
        if k > width and best is not None:
            break
        part = coordinates[:, : min(k, width)]
        covariance = filtered_covariance(part, share, seed=seed, check=check)
        scores, _ = quantum_entropy_scores(part @ whitener(covariance, _SHRINKAGE), alpha)
        kept = np.ones(n, np.bool_)
        kept[np.argsort(-scores)[: min(round(1.5 * share * n), n - 2)]] = False
        rest = coordinates[kept] - coordinates[kept].mean(axis=0)
        common = coordinates @ whitener(rest.T @ rest / len(rest), _SHRINKAGE)
        objective = quantum_entropy_scores(common - common.mean(axis=0), alpha)[1]
        if best is None or objective > best[1]:
            best = scores, objective, min(k, width)
    assert best is not None
    return best
