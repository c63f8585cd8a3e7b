"""How the scores of several detectors become one ranking, and one statistic for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.detectors.standing import FEWEST_CLASSES, agreement, class_standing
from inspector.statistics.ranking import TailRanking, lifted, tail_ranking
from inspector.statistics.rows import as_scores

_ORDER_ONLY = ("quantum-entropy",)
"""Ranking columns that order samples but do not compare classes.

Their tails are heavy in every class: on planted data they sharpened the order and blurred which
class stands out.
"""

_SWEPT = ("spectral-layers",)
"""Ranking columns that are the best of several looks each."""

_ELSEWHERE = (*_SWEPT, "loss-trajectory", "spectral-conv-gradient")
"""Ranking columns that look at something else than the last layer."""

_TWICE = (*_SWEPT, *_ORDER_ONLY)
"""Ranking columns that may speak alone.

Quantum entropy weighs all directions in which a class is stretched, and sees groups of a few dozen
that no single direction shows: where it lies far out no other column could agree.
"""


def ranked(
    columns: Mapping[str, NDArray[Any]], labels: NDArray[Any], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Return the combined ranking, and statistic and standing of every class."""
    ranking = tail_ranking(columns, labels, classes, _TWICE)
    statistics = _compared(ranking, columns, labels, classes)
    standing = class_standing(statistics)
    return as_scores(lifted(ranking.tails, labels, standing)), statistics, standing


def _compared(
    ranking: TailRanking, columns: Mapping[str, NDArray[Any]], labels: NDArray[Any], classes: int
) -> NDArray[np.float64]:
    """Return one statistic per class, larger = more suspicious; NaN where not assessed."""
    compared = _comparable(columns)
    last = [ranking.columns[name] for name in compared if name not in _ELSEWHERE]
    other = [ranking.columns[name] for name in compared if name in _ELSEWHERE]
    enough = any(np.isfinite(column).sum() >= FEWEST_CLASSES for column in other)
    if last and enough:
        return agreement(last, other)
    return distances(columns, labels, classes)


def _comparable(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: column for name, column in columns.items() if name not in _ORDER_ONLY}


def distances(
    columns: Mapping[str, NDArray[Any]], labels: NDArray[Any], classes: int
) -> NDArray[np.float64]:
    """Return how far out the samples of each class lie, whichever columns say so."""
    return tail_ranking(_comparable(columns) or columns, labels, classes).statistics
