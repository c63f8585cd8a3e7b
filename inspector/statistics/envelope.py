"""How many false samples lie above a threshold, wherever an analyst drags it to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.9
"""Probability with which all bounds hold at once."""

_DRAWS = 4000
_CELLS = 2_000_000
"""Numbers in one temporary array of the simulation."""


def false_bounds(
    scores: NDArray[Any], reference: NDArray[Any], *, level: float = LEVEL
) -> NDArray[np.float64]:
    """Return, for a cut at each score, the most false ones among those at or above it.

    All bounds hold together with probability ``level``, so the cut may be chosen after looking. A
    cut that leaves j − 1 references above it lies above the j-th of them, where the number of
    ordinary members follows the same law whatever the scores are; that law is simulated once.
    Source: Gazin, Blanchard, Roquain 2024, "Transductive conformal inference with adaptive scores".

    Parameters
    ----------
    scores : ndarray, shape (m,)
        Of members that are no reference, higher = more suspicious; NaN yields NaN.
    reference : ndarray, shape (l,)
        Scores of verified members, finite.
    level : float

    Returns
    -------
    ndarray, shape (m,), float64
        Never more than how many scores are at or above the cut.
    """
    known = ~np.isnan(scores)
    values = np.asarray(scores, np.float64)[known]
    bounds = np.full(len(scores), np.nan)
    ordered = np.sort(values)
    above = len(values) - np.searchsorted(ordered, values, side="left")
    inside = len(reference) - np.searchsorted(np.sort(reference), values, side="left")
    envelope = np.append(false_envelope(len(values), len(reference), level), len(values))
    bounds[known] = np.minimum(envelope[np.minimum(inside, len(envelope) - 1)], above)
    return bounds


@lru_cache(maxsize=64)
def false_envelope(members: int, references: int, level: float = LEVEL) -> NDArray[np.int64]:
    """Return how many of some members may lie above the 1st, 2nd, … highest reference.

    Parameters
    ----------
    members : int
        Ordinary members at most, m.
    references : int
    level : float

    Returns
    -------
    ndarray, shape (k,), int64
        For the highest references, a quarter of them; ascending.
    """
    wanted = max(1, references // 4) if references else 0
    if not wanted or not members:
        return np.zeros(wanted, np.int64)
    random = np.random.default_rng(0)
    counts = np.empty((_DRAWS, wanted), np.int64)
    step = max(1, _CELLS // (references + 1))
    for start in range(0, _DRAWS, step):
        size = min(step, _DRAWS - start)
        # Places of the ordered references among uniform numbers: partial sums of spacings.
        spacings = random.standard_exponential((size, references + 1))
        places = np.cumsum(spacings, axis=1)[:, :wanted] / spacings.sum(axis=1, keepdims=True)
        taken = np.zeros((size, wanted + 1), np.int64)
        before = np.zeros(size)
        for j in range(wanted):
            # Members left fall into the next gap with its share of what is left of the line.
            share = (places[:, j] - before) / np.maximum(1 - before, 1e-300)
            rest = members - taken[:, j]
            taken[:, j + 1] = taken[:, j] + random.binomial(rest, np.clip(share, 0, 1))
            before = places[:, j]
        counts[start : start + size] = taken[:, 1:]
    # One half of the draws gives the quantiles, the other finds the level at which all hold.
    ordered, held = np.sort(counts[: _DRAWS // 2], axis=0), counts[_DRAWS // 2 :]
    low, high = 0, len(ordered) - 1
    while low < high:
        middle = (low + high) // 2
        if (held <= ordered[middle]).all(axis=1).mean() >= level:
            high = middle
        else:
            low = middle + 1
    return np.maximum.accumulate(ordered[low])
