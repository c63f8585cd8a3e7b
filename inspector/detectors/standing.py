"""How far a class stands out among the classes, and the verdict that this supports by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import VERDICTS, ClassResult, Verdict

LOW, MEDIUM = 2.5, 4.0
"""Standing from which a class is worth a look, and from which it is suspicious.

Of ten networks that we trained on clean data (Fashion-MNIST, MNIST, CIFAR-10, traffic signs, small
digits) eight stayed below `MEDIUM` in every class. The two others hold a natural group of their
own: ones with a foot, sevens of one shape. There is no error rate behind these numbers.
"""

_USUAL_SPREAD = 0.6
"""Standard deviation of the logarithm of a class statistic among clean classes, as seen."""

FEWEST_CLASSES = 4
"""Classes needed before one can stand out among them."""


@dataclass(frozen=True)
class Rated:
    """Class results with verdicts, the worst of them, and what must be said about them."""

    classes: tuple[ClassResult, ...]
    verdict: Verdict
    caveats: tuple[str, ...]


def class_standing(statistics: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many robust deviations each class lies above the median class, on a log scale.

    The scale is half the spread seen among these classes and half the usual one: a median absolute
    deviation of ten values alone is off by a factor of two as often as not.

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
    standing[assessed] = deviations / np.sqrt((seen**2 + _USUAL_SPREAD**2) / 2)
    return standing


def verdict_of(standing: float) -> Verdict:
    """Turn a standing into what it supports without calibration: at most "medium"."""
    return "medium" if standing >= MEDIUM else "low" if standing >= LOW else "none"


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
        replace(result, verdict=verdict_of(float(height)))
        for result, height in zip(found, standing)
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
