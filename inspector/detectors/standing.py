"""How far a class stands out among the classes, and the verdict that this supports by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import VERDICTS, ClassResult, Verdict

_USUAL_SPREAD = 0.7
"""Standard deviation of the logarithm of a class statistic among clean classes, as we saw it.

Ten networks that we trained on clean data (Fashion-MNIST, MNIST, CIFAR-10, traffic signs, small
digits) were looked at. With the levels below, nine stayed under "medium" in every class; the tenth
holds a natural group, sevens of one shape. That is a rule of thumb, not an error rate.
"""

_AGREED_SPREAD = 0.65
"""Standard deviation of the mean of two standings of `agreement` among clean classes, as we saw it.

211 classes without poison of 22 small networks on Fashion-MNIST and CIFAR-10, half of them beside a
poisoned class or among wrong labels: 0.64; as a mean of two looks it is below one.
"""

_LEVELS: tuple[tuple[Verdict, float], ...] = (("medium", 0.001), ("low", 0.1))
"""How often the highest of all classes would reach a verdict if logarithms were normal."""

FEWEST_CLASSES = 4
"""Classes needed before one can stand out among them."""


@dataclass(frozen=True)
class Rated:
    """Class results with verdicts, the worst of them, and what must be said about them."""

    classes: tuple[ClassResult, ...]
    verdict: Verdict
    caveats: tuple[str, ...]


def class_standing(statistics: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many usual deviations each class lies above the median class, on a log scale.

    The deviation is a constant from experience, raised to half of the spread of these classes where
    that is larger: a median absolute deviation of ten values is off by a factor of two as often as
    not, and one of classes that differ by nature would hide a planted group.

    Parameters
    ----------
    statistics : ndarray, shape (C,)
        One value per class, larger = more suspicious, positive; NaN = not assessed.

    Returns
    -------
    ndarray, shape (C,), float64
        0 for classes not assessed, and for all when fewer than four are.
    """
    standing = np.zeros(len(statistics))
    assessed = np.flatnonzero(np.isfinite(statistics))
    if len(assessed) < FEWEST_CLASSES:
        return standing
    logs = np.log(np.maximum(np.asarray(statistics, np.float64)[assessed], 1e-6))
    deviations = logs - np.median(logs)
    seen = 1.4826 * float(np.median(np.abs(deviations)))
    standing[assessed] = deviations / max(_USUAL_SPREAD, seen / 2)
    return standing


def agreement(
    last: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return one statistic per class that is high where independent looks at the class agree.

    All columns from the last layer see the same space: a natural kind of picture in it (bags with
    handles, sevens of one shape) lifts all of them together, and says nothing more by that. What a
    trigger does to a class shows before the last layer too.

    Parameters
    ----------
    last : sequence of ndarray, shape (C,)
        Class statistics of columns that look at the last layer; at least one.
    other : sequence of ndarray, shape (C,)
        Those of columns that look elsewhere; at least one.

    Returns
    -------
    ndarray, shape (C,), float64
        exp(s · h / t) with s and t the usual spreads of a standing and of h, which is the mean of
        two standings: of the two highest columns of the last layer, and of the highest other one.
        About 1 for an ordinary class; NaN where a class was not assessed.
    """
    inside = np.sort([class_standing(column) for column in last], axis=0)[-2:].mean(axis=0)
    outside = np.max([class_standing(column) for column in other], axis=0)
    found = np.exp(_USUAL_SPREAD / _AGREED_SPREAD * (inside + outside) / 2)
    known = np.any([np.isfinite(column) for column in (*last, *other)], axis=0)
    statistics: NDArray[np.float64] = np.where(known, found, np.nan)
    return statistics


def verdicts_of(standing: NDArray[np.float64], classes: int) -> list[Verdict]:
    """Turn standings into what they support without calibration: at most "medium".

    Parameters
    ----------
    standing : ndarray
    classes : int
        How many classes were assessed: the highest of many is higher by chance.
    """
    bars = [
        (verdict, NormalDist().inv_cdf(1 - level / max(classes, 1))) for verdict, level in _LEVELS
    ]
    return [
        next((verdict for verdict, bar in bars if height >= bar), "none") for height in standing
    ]


def bounded(verdicts: Sequence[Verdict], by: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts, each at most one step above another one of the same class.

    Looks that agree on a small class by chance are no clear sign as long as its samples lie no
    further out than those of other classes.
    """
    return [
        VERDICTS[min(VERDICTS.index(verdict), VERDICTS.index(bound) + 1)]
        for verdict, bound in zip(verdicts, by)
    ]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the gravest verdict, "none" for no verdicts."""
    return max(verdicts, key=VERDICTS.index, default="none")


def class_verdicts(found: Sequence[ClassResult]) -> Rated:
    """Give each class the verdict that its statistic supports among the other classes.

    Parameters
    ----------
    found : sequence of ClassResult
        One per assessed class.

    Returns
    -------
    Rated
        The same results with verdicts; caveats say that nothing is calibrated.
    """
    standing = class_standing(np.array([result.statistic for result in found]))
    rated = tuple(
        replace(result, verdict=verdict)
        for result, verdict in zip(found, verdicts_of(standing, len(found)))
    )
    caveats = (
        ("Classes are compared with each other only; no error rate stands behind the verdict.",)
        if len(found) >= FEWEST_CLASSES
        else (
            f"With fewer than {FEWEST_CLASSES} assessed classes there is nothing to compare a "
            "class with: the verdict stays at none whatever the scores are.",
        )
    )
    return Rated(rated, worst([result.verdict for result in rated]), caveats)
