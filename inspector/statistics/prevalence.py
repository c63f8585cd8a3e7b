"""How much poison a class may hold, from what a random sample of it showed."""

from __future__ import annotations

import math
from collections.abc import Callable


def clopper_pearson(found: int, looked: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share from a binomial count.

    Covers the true share with probability at least ``level``, whatever it is. With nothing found
    the upper end is 1 − ((1 − level) / 2)^(1 / looked). Source: Clopper and Pearson 1934. Found by
    bisection on the binomial distribution, so that the app needs no scipy.

    Parameters
    ----------
    found, looked : int
        How many of how many.
    level : float
        Coverage.

    Returns
    -------
    low, high : float
        0 and 1 when nothing was looked at.
    """
    if looked < 1:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if found == 0 else _where(lambda p: _upper(found, looked, p) >= tail)
    high = 1.0 if found == looked else _where(lambda p: 1 - _upper(found + 1, looked, p) <= tail)
    return low, high


def _where(reached: Callable[[float], bool]) -> float:
    """Return the share at which a condition that holds from some share on begins to hold."""
    below, above = 0.0, 1.0
    for _ in range(60):
        middle = (below + above) / 2
        below, above = (below, middle) if reached(middle) else (middle, above)
    return (below + above) / 2


def _upper(count: int, trials: int, share: float) -> float:
    """P(X ≥ count) of a binomial, summed over the shorter side."""
    if share <= 0.0:
        return 1.0 if count <= 0 else 0.0
    if share >= 1.0:
        return 1.0
    logs = math.log(share), math.log1p(-share)

    def probability(k: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        return math.exp(ways + k * logs[0] + (trials - k) * logs[1])

    if 2 * count > trials:
        return math.fsum(probability(k) for k in range(count, trials + 1))
    return max(0.0, 1.0 - math.fsum(probability(k) for k in range(count)))
