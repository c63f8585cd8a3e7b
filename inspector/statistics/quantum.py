"""Quantum entropy scores: far out in directions where whitened data still spread too much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantum_entropy_scores(
    whitened: NDArray[np.floating], alpha: float = 4.0
) -> tuple[NDArray[np.float64], float]:
    """Return τ_i = w_iᵀ Q w_i with Q = exp(α(S − I) / (‖S‖₂ − 1)) / tr, S the covariance of w.

    exp is the exponential of a *matrix*: Q has the eigenvectors of S. Ports that exponentiate each
    entry lose the invariance under rotations and most of the power. α = 0 is the squared
    Mahalanobis distance, α → ∞ the squared projection on the top direction. Source: Hayase, Kong,
    Somani, Oh 2021, "SPECTRE", algorithm 3; after Dong, Hopkins, Li 2019.

    Parameters
    ----------
    whitened : ndarray, shape (n, k)
        Centred, in units in which the bulk has the identity as covariance.
    alpha : float

    Returns
    -------
    scores : ndarray, shape (n,), float64
    objective : float
        tr(S Q): how far the whitened data spread beyond 1.
    """
    rows = np.asarray(whitened, np.float64)
    covariance = rows.T @ rows / max(len(rows), 1)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    excess = float(values[-1]) - 1.0
    exponents = alpha * (values - 1.0) / excess if excess > 1e-9 else np.zeros(len(values))
    weights = np.exp(exponents - exponents.max())
    weights /= weights.sum()
    along = rows @ vectors
    return (along**2) @ weights, float(values @ weights)
