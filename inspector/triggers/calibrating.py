"""How unusual is a class beside the same class in networks that were trained without a backdoor?

Classes of one network differ for reasons of their own: a bag is easy to draw, whoever learns bags.
Networks of the same architecture that were trained on clean data, shadow networks, have such classes,
too. Here a class is compared with itself in the shadows, and how far the suspect's classes deviate with
how far the shadows' own classes do, in all methods of a search together. If the suspect was trained as
they were, without a backdoor, all networks are exchangeable, and the p-values hold whatever the
distribution of sizes is and however the methods depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.triggers.anomaly import FALSE_ALARMS

FEWEST_SHADOWS = round(1 / FALSE_ALARMS) - 1
"""Shadows with which a p-value can be as small as the level of significance."""

_MAD_TO_SIGMA = 1.4826
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Calibration:
    """What shadow networks say of each class of the suspect, in one method.

    Attributes
    ----------
    deviation : ndarray, shape (C,), float64
        How much more suspicious the class is than in the median of the other networks, each relative to
        the median class of its network: how much smaller its trigger is, as a difference of natural
        logarithms, or what else the method compares. NaN = not assessed.
    others : ndarray, shape (N, C), float64
        The same of each shadow.
    p_value : ndarray, shape (C,), float64
        (k + 1) / (m + 1), with k of the m classes of all shadows deviating as much: for one class and
        one method that were chosen beforehand.
    family_p_value : ndarray, shape (C,), float64
        The same with the class and method that deviate most in each shadow, in units of each method's
        usual deviation, k of as many as there are shadows: for all classes and methods together.
    threshold : float
        Smallest deviation that is significant among all classes and methods; infinite with too few
        shadows.
    shadows : int
    """

    deviation: NDArray[np.float64]
    others: NDArray[np.float64]
    p_value: NDArray[np.float64]
    family_p_value: NDArray[np.float64]
    threshold: float
    shadows: int

    @property
    def conclusive(self) -> bool:
        """Whether there are shadows enough for a class to be significant."""
        return self.shadows >= FEWEST_SHADOWS


def calibrate(
    looks: Mapping[str, ArrayLike], shadows: Mapping[str, ArrayLike]
) -> dict[str, Calibration]:
    """Compare the classes of a network with those of its shadows.

    Parameters
    ----------
    looks : mapping of array_like, shape (C,)
        By method, how suspicious each class of the suspect is, larger = more: minus the log size of its
        trigger, for one. ``-inf``: no trigger was found, which counts as the least of all networks.
        NaN: not searched.
    shadows : mapping of array_like, shape (N, C)
        The same of networks without a backdoor, found with the same searches on the same pictures.

    Returns
    -------
    dict
        By method.

    Notes
    -----
    Every network is compared with the median of all others, the suspect's among them, so that none has
    a part of its own in the comparison.
    """
    apart = {name: _apart(own, shadows[name]) for name, own in looks.items()}
    spread = {name: _spread(table) for name, table in apart.items()}
    count = min((len(table) for table in apart.values()), default=1) - 1
    heights = [
        np.nanmax(table / spread[name], axis=1)
        for name, table in apart.items()
        if not np.isnan(table).all()
    ]
    highest = np.sort(np.max(heights, axis=0)[1:]) if heights and count else np.empty(0)
    # One plus those that reach it may be at most the level's share of all networks.
    passed = int(FALSE_ALARMS * (count + 1) + 1e-9) - 1
    least = float(highest[-1 - passed]) if passed >= 0 and len(highest) else float("inf")
    return {
        name: _calibration(table, spread[name], highest, least) for name, table in apart.items()
    }


def _apart(own: ArrayLike, shadows: ArrayLike) -> NDArray[np.float64]:
    """Return the deviations of all networks (N + 1, C), the suspect's first."""
    first = np.asarray(own, np.float64)
    others = np.asarray(shadows, np.float64).reshape(-1, len(first))
    there = ~np.isnan(first)
    table = np.concatenate([first[None], others])
    deviations = np.full(table.shape, np.nan)
    if not there.any() or not len(others):
        return deviations
    table = np.where(np.isnan(table), -np.inf, table)[:, there]
    finite = table[np.isfinite(table)]
    table = np.maximum(table, finite.min() if len(finite) else 0.0)
    table -= np.median(table, axis=1, keepdims=True)
    deviations[:, there] = [
        row - np.median(np.delete(table, at, axis=0), axis=0) for at, row in enumerate(table)
    ]
    return deviations


def _spread(deviations: NDArray[np.float64]) -> float:
    """Return how far a class usually deviates, in all networks alike."""
    known = deviations[~np.isnan(deviations)]
    usual = _MAD_TO_SIGMA * float(np.median(np.abs(known))) if len(known) else 0.0
    return max(usual, _LEAST_SPREAD)


def _calibration(
    deviations: NDArray[np.float64], spread: float, highest: NDArray[np.float64], least: float
) -> Calibration:
    mine, others = deviations[0], deviations[1:]
    there = ~np.isnan(mine)
    p_value, family = np.full(len(mine), np.nan), np.full(len(mine), np.nan)
    if there.any():
        usual = np.sort(others[:, there].ravel())
        p_value[there] = _rank(mine[there], usual)
        family[there] = _rank(mine[there] / spread, highest)
    # The product may round to either side of what reaches it.
    threshold = float(np.nextafter(spread * np.nextafter(least, np.inf), np.inf))
    return Calibration(mine, others, p_value, family, threshold, len(others))


def _rank(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of known values, and one more, that are as large as each value."""
    found: NDArray[np.float64] = (1 + len(known) - np.searchsorted(known, values)) / (
        1 + len(known)
    )
    return found
