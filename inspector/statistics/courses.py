"""How well samples are fitted over the course of training: learned early, learned late, or never."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.rows import robust_location_scale

ORDINARY, EARLY, LATE, NEVER = 0, 1, 2, 3
"""Codes of `kind_of_course`."""

_OUTSTANDING = 3.0
"""`early_learning` beyond which a sample counts as learned unlike the rest of its class.

In clean classes of small networks on Fashion-MNIST 0.1 to 0.4 % of the samples lie beyond it.
"""

_NOT_BELIEVED = -1.0
"""Log odds of a label below which the network clearly answers something else."""


def standard_courses(margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return margins of one class in robust deviations of the class at each time.

    Parameters
    ----------
    margins : ndarray, shape (m, K)
        Log odds of the label at K times, oldest first; finite, m ≥ 1.

    Returns
    -------
    ndarray, shape (m, K), float64
        0 at a time at which all coincide.
    """
    standard = np.zeros(margins.shape)
    for time in range(margins.shape[1]):
        column = margins[:, time].astype(np.float64)
        middle, scale = robust_location_scale(column)
        if scale > 0:
            standard[:, time] = (column - middle) / scale
    return standard


def early_learning(margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how much further samples rose than their class, less what they lack at the end.

    A trigger is an easy feature that most of a class lacks: once the network has found it, the log
    odds of the samples that carry it rise past the rest of their class (Li and others 2021), those
    of samples from other classes from far below. A wrong label that is learned by heart rises too
    and ends low; one that is not learned falls.

    Parameters
    ----------
    margins : ndarray, shape (m, K)
        Log odds of the label of one class at K ≥ 2 times, oldest first, the last being the model
        under examination; finite, m ≥ 1.

    Returns
    -------
    ndarray, shape (m,), float64
        z(x_K − x_1) + ½ min(0, z(x_K)), in robust deviations of the class.
    """
    rise = standard_courses(margins[:, -1:].astype(np.float64) - margins[:, :1])
    last = standard_courses(margins[:, -1:])
    found: NDArray[np.float64] = (rise + np.minimum(0, last) / 2)[:, 0]
    return found


def kind_of_course(margins: NDArray[np.floating]) -> NDArray[np.int8]:
    """Say in which of four ways each sample of one class was learned.

    Parameters
    ----------
    margins : ndarray, shape (m, K)
        As for `early_learning`.

    Returns
    -------
    ndarray, shape (m,), int8
        `NEVER`: the label was not believed at any time, as wrong labels are not. `LATE`: believed
        at the last time alone, and less than by the rest of its class; learned by heart. `EARLY`:
        believed before the end, rose past its class, and stands out above it, as a backdoor does.
        `ORDINARY`: none of these.
    """
    found = np.full(len(margins), ORDINARY, np.int8)
    believed = margins > 0
    last = standard_courses(margins[:, -1:])[:, 0]
    found[~believed[:, :-1].any(axis=1) & believed[:, -1] & (last < 0)] = LATE
    outstanding = early_learning(margins) >= _OUTSTANDING
    found[believed[:, 1:].all(axis=1) & outstanding & (last > 0)] = EARLY
    found[(margins < _NOT_BELIEVED).all(axis=1)] = NEVER
    return found
