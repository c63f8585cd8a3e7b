"""Which samples of a class to select, at a chosen false discovery rate, learned from all scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.conformal import conformal_p_values
from inspector.statistics.multiplicity import benjamini_hochberg

TRAINING_SHARE = 0.5
"""Share of the reference that the classifier learns from; the rest calibrates its p-values."""

_STRENGTH = 0.05
_FEWEST = 40
"""References below which a part for learning and one for calibration are both too small."""


@dataclass(frozen=True)
class LearnedSelection:
    """What the learned combination says of the members of one class.

    Attributes
    ----------
    p_values : ndarray, shape (n,), float64
        Conformal, of members that are no reference; NaN for the reference.
    q_values : ndarray, shape (n,), float64
        Adjusted (Benjamini and Hochberg): those ≤ q hold at most a share q of false ones on
        average; NaN for the reference.
    weights : ndarray, shape (2·J,), float64
        Of the log ranks, upper tails of all columns before lower tails. A score is their weighted
        sum, so that each part is a contribution.
    calibrating : int
        Reference samples behind the p-values.
    """

    p_values: NDArray[np.float64]
    q_values: NDArray[np.float64]
    weights: NDArray[np.float64]
    calibrating: int

    def smallest_selection(self, rate: float) -> int:
        """Return the fewest samples that can be selected at a rate, were they all on top."""
        pool = int(np.count_nonzero(~np.isnan(self.p_values)))
        return int(np.ceil(pool / (rate * (self.calibrating + 1))))


def learned_selection(
    columns: NDArray[Any], reference: NDArray[np.bool_], *, seed: int = 0
) -> LearnedSelection | None:
    """Learn which scores tell unknown members from verified ones, and what follows for each.

    A part of the reference is set against everything else in a logistic regression on log ranks,
    with weights of 0 or more: lying far out in a tail never speaks for a sample. The other part
    gets scores without the classifier knowing who it is, so conformal p-values
    against it are exact, whatever was learned. Source: Marandon, Lei, Mary, Roquain 2022,
    "Machine learning meets false discovery rate" (AdaDetect).

    Parameters
    ----------
    columns : ndarray, shape (n, J)
        Scores of the members of one class; NaN counts as typical.
    reference : ndarray, shape (n,), bool
        Verified members, a random sample.
    seed : int
        Of the split of the reference.

    Returns
    -------
    LearnedSelection or None
        None with fewer than 40 references, or no other members.
    """
    known = np.flatnonzero(reference)
    if len(known) < _FEWEST or len(known) == len(reference) or not columns.shape[1]:
        return None
    shuffled = np.random.default_rng(seed).permutation(known)
    training = np.zeros(len(reference), np.bool_)
    training[shuffled[: round(TRAINING_SHARE * len(known))]] = True
    features = log_ranks(columns)
    weights = _logistic_weights(features, ~training)
    scores = features @ weights
    calibration = reference & ~training
    p_values = np.full(len(reference), np.nan)
    p_values[~reference] = conformal_p_values(scores[~reference], scores[calibration])
    return LearnedSelection(
        p_values, benjamini_hochberg(p_values), weights, int(np.count_nonzero(calibration))
    )


def _logistic_weights(
    features: NDArray[np.float64], unknown: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fit a ridge logistic regression with weights ≥ 0 in which both sides count alike."""
    from scipy.optimize import minimize

    sign = np.where(unknown, 1.0, -1.0)
    sides = np.where(unknown, np.count_nonzero(unknown), np.count_nonzero(~unknown))
    counts = len(unknown) / (2.0 * sides)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sign * (features @ values[:-1] + values[-1])
        pull = -sign * counts * np.exp(-np.logaddexp(0, margins))
        slope = np.append(features.T @ pull + values[:-1] / _STRENGTH, pull.sum())
        ridge = values[:-1] @ values[:-1] / (2 * _STRENGTH)
        return float(counts @ np.logaddexp(0, -margins) + ridge), slope

    bounds = [(0.0, None)] * features.shape[1] + [(None, None)]
    start = np.zeros(features.shape[1] + 1)
    found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1]


def log_ranks(columns: NDArray[Any]) -> NDArray[np.float64]:
    """Return −log of the rank share in either tail of every column, (n, J) → (n, 2·J).

    0 is the middle and below; ln 2 is taken off, so that only the outer half of a tail counts. Ties
    share their mean rank.
    """
    from scipy.stats import rankdata

    parts = []
    for sign in (-1.0, 1.0):
        for column in np.asarray(columns, np.float64).T:
            known = ~np.isnan(column)
            part = np.zeros(len(column))
            if known.any():
                share = rankdata(sign * column[known]) / (np.count_nonzero(known) + 1)
                part[known] = np.maximum(-np.log(share) - np.log(2), 0)
            parts.append(part)
    return np.stack(parts, axis=1)
