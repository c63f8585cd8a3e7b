"""Scores of a class that fall into two halves, and where the lower of them lies.

A group that makes half of its class moves median and median absolute deviation as much as the rest
does: each half lies one deviation out and neither looks strange. Where a gap parts the two, the
lower half is what to measure from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.rows import robust_location_scale

_LEAST, _MOST = 0.3, 0.7
"""Share of the lower half: smaller groups leave median and deviation alone."""

_PARTED = 0.85
"""Share of the variance that lies between the halves, from which on there are two.

Two normal halves 4.8 of their deviations apart; one normal bulk has 0.64. Chosen on seeds 0 and
1 of Fashion-MNIST in `tests/benchmarks/detection_beds.py`: 0.80 and 0.85 did alike, 0.75 worse.
"""


def lower_half(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the lower of two halves, or None where the values are not parted.

    The cut is that of the largest variance between both sides (Otsu 1979).

    Parameters
    ----------
    values : ndarray, shape (n,), float64, finite
    """
    count = len(values)
    first, last = int(np.ceil(_LEAST * count)), int(np.floor(_MOST * count))
    if first < 1 or last <= first:
        return None
    ordered = np.sort(values - np.median(values))
    scale = max(float(ordered[-1]), -float(ordered[0]))
    if not scale > 0:
        return None
    ordered = ordered / scale  # squares of 1e200 would leave the range
    sizes = np.arange(first, last + 1)
    sums = np.cumsum(ordered)
    gap = (sums[-1] - sums[sizes - 1]) / (count - sizes) - sums[sizes - 1] / sizes
    between = sizes * (count - sizes) / count**2 * gap**2
    best = int(between.argmax())
    if between[best] <= _PARTED * ordered.var():
        return None
    return ordered[: sizes[best]] * scale + np.median(values)


def bulk_location_scale(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return median and scaled median absolute deviation of all values, or of the lower half.

    Parameters
    ----------
    values : ndarray, shape (n,), finite
        At least one value.

    Notes
    -----
    The lower half counts where its own deviation is not zero; see `robust_location_scale`.
    """
    precise = values.astype(np.float64, copy=False)
    lower = lower_half(precise)
    if lower is not None:
        middle = float(np.median(lower))
        scale = 1.4826 * float(np.median(np.abs(lower - middle)))
        if scale > 0:
            return middle, scale
    return robust_location_scale(precise)
