"""Is one class's trigger suspiciously small among those of all classes?

Neural Cleanse (Wang et al. 2019, section IV-C) calls a class backdoored when its mask lies more than
two median absolute deviations below the median. With no backdoor at all that rule accuses some class
in a third of networks with 10 classes and in nine of ten with 100. Here the comparison is made on
log L1, which is about symmetric, and the threshold is the one that keeps the chance of accusing any
class of a clean network at five per cent, for the number of classes at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALSE_ALARMS = 0.05
"""Chance, over all classes of a clean network together, that any is called significant."""

FEWEST_CLASSES = 3
"""With two values both lie equally far from their median: there is nothing to compare."""

_MAD_TO_SIGMA = 1.4826
_SMALLEST_L1 = 1 / 255
_DRAWS = 20_000


@dataclass(frozen=True)
class Anomaly:
    """What `anomaly_index` says of each class.

    Attributes
    ----------
    index : ndarray, shape (C,), float64
        Deviations below the median; positive means smaller than usual. NaN = not assessed.
    threshold : float
        Smallest index that is significant; infinite with too few classes.
    p_value : ndarray, shape (C,), float64
        Chance that the smallest trigger of a clean network lies this far below the median, all
        classes taken together. NaN = not assessed.
    """

    index: NDArray[np.float64]
    threshold: float
    p_value: NDArray[np.float64]


def anomaly_index(mask_l1: ArrayLike) -> Anomaly:
    """Compare the trigger sizes of all classes of one network.

    Parameters
    ----------
    mask_l1 : array_like, shape (C,)
        L1 norm of each class's mask, pixels. ``inf``: no trigger was found at any size (it counts
        as a large one). NaN: not searched (left out).

    Returns
    -------
    Anomaly
        Index, threshold and p-value; see there. The null is C independent normal log sizes.

    Notes
    -----
    Wang et al. 2019 (IEEE S&P), section IV-C, on a logarithmic scale and with a threshold that
    depends on C. Only small masks are suspicious, so the test has one side.
    """
    sizes = np.asarray(mask_l1, dtype=np.float64)
    searched = ~np.isnan(sizes)
    index, p_value = np.full(sizes.shape, np.nan), np.full(sizes.shape, np.nan)
    count = int(searched.sum())
    if count < FEWEST_CLASSES:
        return Anomaly(index, float("inf"), p_value)
    logs = np.log(np.maximum(sizes[searched], _SMALLEST_L1))
    null = null_maxima(count)
    threshold = float(np.quantile(null, 1 - FALSE_ALARMS))
    median = float(np.median(logs))
    if not np.isfinite(median):
        return Anomaly(index, threshold, p_value)
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(logs - median)))
    index[searched] = (median - logs) / max(spread, 1e-9)
    larger = len(null) - np.searchsorted(null, index[searched], side="left")
    p_value[searched] = (1 + larger) / (1 + len(null))
    return Anomaly(index, threshold, p_value)


@lru_cache(maxsize=32)
def null_maxima(classes: int, seed: int = 0) -> NDArray[np.float64]:
    """Simulate the largest index among ``classes`` classes of a clean network, sorted.

    Returns
    -------
    ndarray, shape (draws,), float64
        At least 2,000 draws, fewer for very many classes; the same for the same seed. Read-only.
    """
    draws = int(np.clip(20_000_000 // classes, 2_000, _DRAWS))
    rng = np.random.default_rng(seed)
    maxima = np.empty(draws)
    rows = max(1, 2_000_000 // classes)  # 16 MB at a time
    for start in range(0, draws, rows):
        sizes = rng.standard_normal((min(rows, draws - start), classes))
        median = np.median(sizes, axis=1, keepdims=True)
        spread = _MAD_TO_SIGMA * np.median(np.abs(sizes - median), axis=1)
        maxima[start : start + rows] = (median[:, 0] - sizes.min(axis=1)) / spread
    maxima.sort()
    maxima.flags.writeable = False
    return maxima
