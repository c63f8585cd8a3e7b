"""One order of all samples from the scores of several detectors, comparable across classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.halves import bulk_location_scale

_FARTHEST = 30.0
"""Distance beyond which a sample adds no more to its class: a group counts, a freak does not."""

_LIFT = 0.15
_HIGHEST = 4.0


@dataclass(frozen=True)
class TailRanking:
    """Distances of samples into the tails of their own classes.

    Attributes
    ----------
    tails : ndarray, shape (n,), float64
        Higher = more suspicious; about 0 for a typical member; NaN = not assessed.
    statistics : ndarray, shape (C,), float64
        Mean squared distance of each class (winsorised), NaN for classes without assessed members.
    columns : dict of str to ndarray, shape (C,), float64
        The same of each column by itself.
    """

    tails: NDArray[np.float64]
    statistics: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]


def tail_ranking(
    columns: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    classes: int,
    twice: Collection[str] = (),
) -> TailRanking:
    """Combine score columns into one tail distance per sample.

    Each column is put in robust deviations from the median of the sample's own class, so that a
    class with wide scores has no advantage; from the median of its lower half, where a class falls
    into two. It is put on a logarithmic scale, so that a heavy natural tail counts little more than
    a light one. A sample's distance is the mean over the two columns in which it lies furthest out:
    two detectors must agree, and the others may be blind. Ranks within a class would be wrong here:
    the 600th of 6,600 planted samples is worth more than the first of a clean class.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        Scores, higher = more suspicious, NaN = not assessed.
    labels : ndarray, shape (n,), integer
        Class of each sample; negative = none.
    classes : int
        Number of classes C; labels at or above it belong to no class.
    twice : collection of str
        Columns that count as two, so that they may speak alone: each draws several looks together
        already, and where only it looks no other could agree.

    Returns
    -------
    TailRanking
    """
    distances = np.full((len(labels), max(len(columns), 1)), -np.inf)
    members = [np.flatnonzero(labels == label) for label in range(classes)]
    for position, scores in enumerate(columns.values()):
        for rows in members:
            rows = rows[np.isfinite(scores[rows])]
            if len(rows):
                distances[rows, position] = _log_distances(np.asarray(scores)[rows])
    doubled = [place for place, name in enumerate(columns) if name in twice]
    best = -np.sort(-np.concatenate([distances, distances[:, doubled]], axis=1), axis=1)[:, :2]
    known = np.isfinite(best)
    counted = known.sum(axis=1)
    total = np.where(known, best, 0).sum(axis=1)
    tails = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
    return TailRanking(
        tails,
        _statistics(tails, members),
        {
            name: _statistics(np.where(np.isfinite(distance), distance, np.nan), members)
            for name, distance in zip(columns, distances.T)
        },
    )


def _statistics(
    tails: NDArray[np.float64], members: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Return the mean squared distance of each class, NaN for those without assessed members."""
    statistics = np.full(len(members), np.nan)
    squares = np.minimum(np.expm1(np.maximum(tails, 0)), _FARTHEST) ** 2
    for label, rows in enumerate(members):
        assessed = rows[~np.isnan(tails[rows])]
        if len(assessed):
            statistics[label] = squares[assessed].mean()
    return statistics


def _log_distances(scores: NDArray[Any]) -> NDArray[np.float64]:
    scores = scores.astype(np.float64)
    middle, scale = bulk_location_scale(scores)
    if not scale > 0:
        return np.zeros(len(scores))
    distances = (scores - middle) / scale
    return np.sign(distances) * np.log1p(np.abs(distances))


def lifted(
    tails: NDArray[np.float64], labels: NDArray[Any], standing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Raise the tails of classes that stand out, so that a planted group passes natural outliers.

    The order within a class does not change. Distances of a class grow by 60 % at most.

    Parameters
    ----------
    tails : ndarray, shape (n,)
    labels : ndarray, shape (n,), integer
    standing : ndarray, shape (C,)
        Robust deviations of each class above the median class.

    Returns
    -------
    ndarray, shape (n,), float64
    """
    factors = 1 + _LIFT * np.clip(np.append(standing, 0), 0, _HIGHEST)
    inside = (labels >= 0) & (labels < len(standing))
    return tails * factors[np.where(inside, labels, -1)]
