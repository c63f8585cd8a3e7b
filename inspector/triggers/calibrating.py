"""How unusual is a class beside the same class in networks that were trained without a backdoor?

Classes of one network differ for reasons of their own: a bag is easy to draw, whoever learns bags.
Networks of the same architecture that were trained on clean data, shadow networks, have such classes,
too. Here a class is compared with itself in the shadows, and how far the suspect's classes deviate with
how far the shadows' own classes do. If the suspect was trained as they were, without a backdoor, all
networks are exchangeable, and the p-values hold whatever the distribution of sizes is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.triggers.anomaly import FALSE_ALARMS

FEWEST_SHADOWS = round(1 / FALSE_ALARMS) - 1
"""Shadows with which a p-value can be as small as the level of significance."""


@dataclass(frozen=True)
class Calibration:
    """What shadow networks say of each class of the suspect.

    Attributes
    ----------
    deviation : ndarray, shape (C,), float64
        How much smaller the trigger is than in the median of the other networks, as a difference of
        natural logarithms, each relative to the median class of its network. NaN = not assessed.
    p_value : ndarray, shape (C,), float64
        (k + 1) / (m + 1), with k of the m classes of all shadows deviating as much: for one class that
        was chosen beforehand.
    family_p_value : ndarray, shape (C,), float64
        The same with the most deviating class of each shadow, k of as many as there are shadows: for
        all classes together.
    threshold : float
        Smallest deviation that is significant among all classes; infinite with too few shadows.
    shadows : int
    """

    deviation: NDArray[np.float64]
    p_value: NDArray[np.float64]
    family_p_value: NDArray[np.float64]
    threshold: float
    shadows: int

    @property
    def conclusive(self) -> bool:
        """Whether there are shadows enough for a class to be significant."""
        return self.shadows >= FEWEST_SHADOWS


def calibrate(looks: ArrayLike, shadows: ArrayLike, floor: float) -> Calibration:
    """Compare the classes of a network with those of its shadows.

    Parameters
    ----------
    looks : array_like, shape (C,)
        Minus the log size of each class's trigger, of the suspect. ``-inf``: none was found. NaN: not
        searched.
    shadows : array_like, shape (N, C)
        The same of networks without a backdoor, found with the same search on the same pictures.
    floor : float
        Least look there can be: that of a trigger as large as the picture.

    Notes
    -----
    Every network is compared with the median of all others, the suspect's among them, so that none has
    a part of its own in the comparison.
    """
    own = np.asarray(looks, np.float64)
    others = np.asarray(shadows, np.float64).reshape(-1, len(own))
    there = ~np.isnan(own)
    table = np.concatenate([own[None], others])[:, there]
    table = np.maximum(np.where(np.isnan(table), -np.inf, table), floor)
    table = table - np.median(table, axis=1, keepdims=True)
    count = len(others)
    empty = np.full(len(own), np.nan)
    if not count or not there.any():
        return Calibration(empty, empty.copy(), empty.copy(), float("inf"), count)
    apart = np.stack(
        [row - np.median(np.delete(table, at, axis=0), axis=0) for at, row in enumerate(table)]
    )
    mine, usual, highest = apart[0], np.sort(apart[1:].ravel()), np.sort(apart[1:].max(axis=1))
    deviation, p_value, family = empty, empty.copy(), empty.copy()
    deviation[there] = mine
    p_value[there] = (1 + len(usual) - np.searchsorted(usual, mine)) / (1 + len(usual))
    family[there] = (1 + count - np.searchsorted(highest, mine)) / (1 + count)
    # One plus those that reach it may be at most the level's share of all networks.
    passed = int(FALSE_ALARMS * (count + 1) + 1e-9) - 1
    threshold = float(np.nextafter(highest[-1 - passed], np.inf)) if passed >= 0 else float("inf")
    return Calibration(deviation, p_value, family, threshold, count)
