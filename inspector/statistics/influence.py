"""Which training samples taught a network one answer: likeness of last-layer gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def influence(
    activations: NDArray[Any], activation: NDArray[Any], damping: float = 0.1
) -> NDArray[np.float64]:
    """Return how much samples labelled with an answer raise it for one picture.

    The gradient of the answer's logit at the last layer is e ⊗ [h, 1], for the picture and for each
    sample of that label. The score is gᵀMg' / √(gᵀMg), M the inverse of the second moment of [h, 1]
    over all samples, damped (as a factor of Martens and Grosse 2015): no gradient is written out.
    The logit is taken and not the loss, whose gradient vanishes for what was learned well, as a
    backdoor is. Divided by the own length, because otherwise a few samples come first for every
    answer (Hammoudeh and Lowd 2022).

    Parameters
    ----------
    activations : ndarray, shape (n, d)
        Inputs of the last layer.
    activation : ndarray, shape (d,)
        That of the picture.
    damping : float
        Share of the mean eigenvalue that is added to every one.

    Returns
    -------
    ndarray, shape (n,), float64
    """
    values = np.concatenate(
        [np.asarray(activations, np.float64), np.ones((len(activations), 1))], 1
    )
    moment = values.T @ values / max(len(values), 1)
    floor = damping * max(float(np.trace(moment)) / len(moment), 1e-12)
    turned = np.linalg.solve(moment + floor * np.eye(len(moment)), values.T).T
    lengths = np.sqrt(np.maximum((turned * values).sum(axis=1), 1e-24))
    found: NDArray[np.float64] = turned @ np.append(activation, 1.0) / lengths
    return found
