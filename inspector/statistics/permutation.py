"""Does a class hold a group that its verified sample lacks? A test exact for any score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVELS = 20
_SMALLEST_TOP = 5
_DRAWS_AT_ONCE = 100
_ENOUGH = 50
"""Draws at or above the observation after which more draws cannot make the class suspicious."""


def label_permutation_test(
    columns: NDArray[Any],
    reference: NDArray[np.bool_],
    *,
    draws: int = 1999,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """Test whether reference members are missing from the top of any score column.

    All members of a class are scored alike; some are verified, drawn at random. The statistic is
    the largest standardised shortage of verified members among the K highest scores, over the
    columns and over K from 5 to a quarter of the class. Its null distribution comes from drawing
    which members are verified anew, scores untouched. Exact when the verified sample is random:
    scores may be learned from the class, and the class may have been chosen after looking at them.
    Source: Westfall and Young 1993 for the maximum statistic; Besag and Clifford 1991 for stopping
    at the 50th draw that reaches the observation, which keeps the p-value exact.

    Parameters
    ----------
    columns : ndarray, shape (n, J)
        Scores of the members of one class, higher = more suspicious; NaN ranks lowest.
    reference : ndarray, shape (n,), bool
        Which members are verified.
    draws : int
        Relabellings B; the smallest p-value is 1 / (B + 1).
    seed : int
    check : callable
        Called between blocks of draws; may raise to cancel.

    Returns
    -------
    statistic : float
        Standardised shortage (a z-value before the maximum); 0 when nothing can be tested.
    p_value : float
        1 when nothing can be tested (no reference, or only reference).
    """
    count = len(columns)
    verified = int(np.count_nonzero(reference))
    if not 0 < verified < count or not columns.shape[1]:
        return 0.0, 1.0
    tops = np.unique(np.geomspace(min(_SMALLEST_TOP, count), max(1, count // 4), _LEVELS).round())
    tops = tops[tops < count]
    levels = _levels_of(columns, tops)
    share = verified / count
    expected = tops * share
    deviation = np.sqrt(expected * (1 - share) * (count - tops) / max(count - 1, 1))

    def statistics(picked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Largest shortage for each of b draws of `verified` members, (b, m) → (b,)."""
        width = len(tops) + 1
        offsets = np.arange(len(picked))[:, None] * width
        worst = np.zeros(len(picked))
        for level in levels:
            cells = np.bincount((level[picked] + offsets).ravel(), minlength=len(picked) * width)
            within = cells.reshape(-1, width)[:, :-1].cumsum(axis=1)
            worst = np.maximum(worst, ((expected - within) / deviation).max(axis=1))
        return worst

    observed = float(statistics(np.flatnonzero(reference)[None])[0])
    generator = np.random.default_rng(seed)
    reached = 0
    for start in range(0, draws, _DRAWS_AT_ONCE):
        check()
        block = range(start, min(start + _DRAWS_AT_ONCE, draws))
        picked = np.stack(
            [generator.choice(count, verified, replace=False, shuffle=False) for _ in block]
        )
        # Draws that tie with the observation must not be lost to rounding of the same fraction.
        hits = start + 1 + np.flatnonzero(statistics(picked) >= observed - 1e-9)
        if reached + len(hits) >= _ENOUGH:
            return observed, _ENOUGH / int(hits[_ENOUGH - reached - 1])
        reached += len(hits)
    return observed, (1 + reached) / (draws + 1)


def _levels_of(columns: NDArray[Any], tops: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """For each column, the position of the first top-K set that each member belongs to."""
    levels = []
    for column in columns.T:
        # Ties are broken by position, the same in every draw, so the test stays exact.
        order = np.argsort(-np.nan_to_num(column, nan=-np.inf, posinf=np.inf), kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        levels.append(np.searchsorted(tops, rank))
    return levels


def smallest_significant_group(count: int, verified: int, level: float = 0.05) -> int:
    """Return how many foreign samples are needed before the test can reach a level at all.

    Even when every foreign sample outranks all others, the verified sample misses the top K by
    chance with probability about (count / (count + verified))^K.

    Parameters
    ----------
    count : int
        Members of the class that are not verified.
    verified : int
        Members that are.
    level : float
        After correction for the number of classes tested.

    Returns
    -------
    int
        K_min = ⌈ln level / ln(count / (count + verified))⌉; count + 1 (out of reach) without any
        verified member.
    """
    if verified < 1 or count < 1:
        return count + 1
    return math.ceil(math.log(level) / math.log(count / (count + verified)))


def draws_for(tests: int, level: float = 0.05, fewest: int = 1999) -> int:
    """Return how many draws make the smallest p-value a fifth of what Holm asks for."""
    return max(fewest, math.ceil(5 * tests / level) - 1)
