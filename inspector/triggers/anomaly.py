"""Is one class's trigger suspiciously small among those of all classes?

Neural Cleanse (Wang et al. 2019, section IV-C) calls a class backdoored when its mask lies more than
two median absolute deviations below the median. With no backdoor at all that rule accuses some class
in a third of networks with 10 classes and in nine of ten with 100. Here the comparison is made on
log L1, which is about symmetric, and the threshold is the one that keeps the chance of accusing any
class of a clean network at five per cent, for the number of classes at hand. Ten values tell their
spread badly by the median absolute deviation; their pairs tell it better (`_spread`).
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

SIZE_NOISE = 0.05
"""Spread of log sizes below which classes are alike: a search ends when a step gains one per cent."""

_MAD_TO_SIGMA = 1.4826
_PAIRS_TO_SIGMA = 1.0483
_PAIRED = range(8, 51)
"""Numbers of classes with which all pairs are compared."""

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
    return standing(np.array([size_look(float(size)) for size in sizes.ravel()]), SIZE_NOISE)


def standing(looks: ArrayLike, noise: ArrayLike = 0.0, families: int = 1) -> Anomaly:
    """Tell which class stands out among those of one network.

    Parameters
    ----------
    looks : array_like, shape (C,) or (C, L)
        Something about each class, larger = more suspicious, symmetric and alike in spread among
        classes without a backdoor. ``-inf``: as little suspicious as can be. NaN: not assessed.
        Of several looks at the same classes each class is judged by the one in which it stands out
        most, and all of them together raise false alarms no more often than one would.
    noise : array_like, shape (L,)
        Standard error with which the looks were measured: the spread cannot be smaller.
    families : int
        How many such comparisons are made of one network: threshold and p-values are for all together
        (Bonferroni).

    Returns
    -------
    Anomaly
    """
    values = np.asarray(looks, dtype=np.float64)
    values = values.reshape(len(values), -1) if values.size else values.reshape(0, 1)
    floors = np.broadcast_to(np.asarray(noise, np.float64), values.shape[1:])
    searched = ~np.isnan(values).any(axis=1)
    index, p_value = np.full(len(values), np.nan), np.full(len(values), np.nan)
    count, chances = int(searched.sum()), values.shape[1] * families
    if count < FEWEST_CLASSES:
        return Anomaly(index, float("inf"), p_value)
    null = null_maxima(count)
    # One plus the draws that reach it may be at most the level's share of all.
    passed = int(FALSE_ALARMS / chances * (1 + len(null)) + 1e-9) - 1
    threshold = float(np.nextafter(null[-1 - passed], np.inf)) if passed >= 0 else float("inf")
    each = np.stack(
        [_deviations(values[searched, at], floors[at]) for at in range(values.shape[1])], 1
    )
    if np.isnan(each).all():
        return Anomaly(index, threshold, p_value)
    index[searched] = np.nanmax(each, axis=1)
    larger = len(null) - np.searchsorted(null, index[searched], side="left")
    p_value[searched] = np.minimum(chances * (1 + larger) / (1 + len(null)), 1)
    return Anomaly(index, threshold, p_value)


def size_look(size: float) -> float:
    """Return minus the logarithm of a trigger's size in pixels, the look of `anomaly_index`."""
    return -float(np.log(np.maximum(size, _SMALLEST_L1)))


def _deviations(values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    median = float(np.median(values))
    if not np.isfinite(median):
        return np.full(values.shape, np.nan)
    spread = float(_spread(np.maximum(values, values[np.isfinite(values)].min())[None])[0])
    deviations: NDArray[np.float64] = (values - median) / max(spread, floor, 1e-9)
    return deviations


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each row (n, C) as a robust estimate.

    The median difference of all pairs (Shamos 1976) is as efficient from 10 classes as the median
    absolute deviation from 23 (Rousseeuw and Croux 1993), and two targets do not spoil it. Of fewer
    classes they would; of many the latter is precise enough, and the pairs would be too many.
    """
    count = values.shape[1]
    if count in _PAIRED:
        one, other = np.triu_indices(count, 1)
        return np.asarray(_PAIRS_TO_SIGMA * np.median(np.abs(values[:, one] - values[:, other]), 1))
    median = np.median(values, axis=1, keepdims=True)
    return np.asarray(_MAD_TO_SIGMA * np.median(np.abs(values - median), axis=1))


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
    held = classes * (classes - 1) // 2 if classes in _PAIRED else classes
    rows = max(1, 2_000_000 // held)  # 16 MB at a time
    for start in range(0, draws, rows):
        sizes = rng.standard_normal((min(rows, draws - start), classes))
        median = np.median(sizes, axis=1)
        maxima[start : start + rows] = (median - sizes.min(axis=1)) / _spread(sizes)
    maxima.sort()
    maxima.flags.writeable = False
    return maxima
