"""How many good samples an export would take along, as far as verified samples can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_UPPER_HALF = 0.5
"""p-values above it come almost only from good samples (lambda of Storey 2002)."""


def estimated_false_removals(
    p_values: NDArray[np.floating], removed: NDArray[np.bool_], error_rate: float
) -> float:
    """Estimate how many of the removed samples of one class are good.

    p-values of good samples are uniform, so that their number, and how many of them lie below a
    threshold, can be told from the upper half of the p-values (Storey 2002, A direct approach to
    false discovery rates). The threshold is the largest p-value among the removed samples that does
    not pass ``error_rate``, or that itself where there is none. On either side of it the removed
    samples count as good in the share in which all samples there are.

    Parameters
    ----------
    p_values : ndarray, shape (n,), finite
        Of the samples of one class that nobody verified.
    removed : ndarray, shape (n,), bool
        Which of them would be left out.
    error_rate : float
        Chance with which a good sample may pass for a suspect one, 0..1.

    Returns
    -------
    float
        Between 0 and the number of removed samples.
    """
    count = len(p_values)
    if not count or not removed.any():
        return 0.0
    upper = int(np.count_nonzero(p_values > _UPPER_HALF))
    good = min(float(count), upper / (1 - _UPPER_HALF))
    supported = removed & (p_values <= error_rate)
    threshold = float(p_values[supported].max()) if supported.any() else error_rate
    below = p_values <= threshold
    good_below = min(threshold * good, float(np.count_nonzero(below)))
    good_above = min(good - good_below, float(np.count_nonzero(~below)))
    total = 0.0
    for side, expected in ((below, good_below), (~below, good_above)):
        inside = int(np.count_nonzero(side))
        if inside:
            total += int(np.count_nonzero(removed & side)) * expected / inside
    return total
