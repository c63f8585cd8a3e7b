"""What a verified sample adds: p-values of samples and of classes, and what they cannot show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.conformal import conformal_p_values
from inspector.statistics.multiplicity import holm
from inspector.statistics.permutation import (
    draws_for,
    label_permutation_test,
    smallest_significant_group,
)

FEWEST_VERIFIED = 20
"""Verified samples that a class needs: below it the smallest possible p-value is about 0.05."""

LEVEL = 0.05
"""Family-wise error rate of the verdict "high"."""


@dataclass(frozen=True)
class Calibration:
    """p-values from verified samples.

    Attributes
    ----------
    sample_p : ndarray, shape (n,), float32
        Conformal, within the class; NaN where the class has too few verified samples.
    class_p : ndarray, shape (C,), float64
        From the label permutation test; NaN where not tested.
    class_p_holm : ndarray, shape (C,), float64
        The same, corrected for the number of classes tested.
    caveats : tuple of str
    """

    sample_p: NDArray[np.float32]
    class_p: NDArray[np.float64]
    class_p_holm: NDArray[np.float64]
    caveats: tuple[str, ...]

    @property
    def tested(self) -> bool:
        """Whether any class had enough verified samples."""
        return bool(np.isfinite(self.class_p).any())


def calibrate(
    combined: NDArray[np.float32],
    columns: NDArray[Any],
    labels: NDArray[Any],
    verified: NDArray[np.bool_],
    class_names: Sequence[str],
    *,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Calibration:
    """Test every class that has enough verified samples.

    Parameters
    ----------
    combined : ndarray, shape (n,)
        Combined ranking, NaN = not assessed. Must not depend on which samples are verified.
    columns : ndarray, shape (n, J)
        Scores of the detectors in the ranking.
    labels : ndarray, shape (n,), integer
    verified : ndarray, shape (n,), bool
        Samples that a person has looked at and found to be what their label says, drawn at random.
    class_names : sequence of str
    seed : int
    check : callable
        May raise to cancel.

    Returns
    -------
    Calibration
    """
    sample_p = np.full(len(combined), np.nan, np.float32)
    class_p = np.full(len(class_names), np.nan)
    assessed = ~np.isnan(combined)
    counts: dict[int, tuple[int, int]] = {}
    for label in range(len(class_names)):
        rows = np.flatnonzero((labels == label) & assessed)
        known = int(np.count_nonzero(verified[rows]))
        counts[label] = len(rows) - known, known
        if known >= FEWEST_VERIFIED:
            sample_p[rows] = conformal_p_values(combined[rows], combined[rows][verified[rows]])
    testable = [
        label
        for label, (others, known) in counts.items()
        if known >= FEWEST_VERIFIED and others > 0
    ]
    for label in testable:
        rows = np.flatnonzero((labels == label) & assessed)
        class_p[label] = label_permutation_test(
            columns[rows],
            verified[rows],
            draws=draws_for(len(testable), LEVEL),
            seed=seed + label,
            check=check,
        )[1]
    caveats = [
        *_what_p_means(counts, testable),
        *_too_few(counts, class_names),
    ]
    return Calibration(sample_p, class_p, holm(class_p), tuple(caveats))


def _what_p_means(counts: dict[int, tuple[int, int]], testable: Sequence[int]) -> list[str]:
    if not testable:
        return []
    level = LEVEL / len(testable)
    smallest = [smallest_significant_group(*counts[label], level) for label in testable]
    span = (
        f"{smallest[0]:,} samples"
        if min(smallest) == max(smallest)
        else f"{min(smallest):,} to {max(smallest):,} samples, depending on the class,"
    )
    return [
        "A class p-value says that the class holds a group which its verified sample lacks, not "
        "who put it there; label noise and rare natural kinds count too. A clean dataset reaches "
        f'"high" in at most {LEVEL:.0%} of scans.',
        "p-values hold if the verified samples were drawn at random from their class, not picked "
        "by look or by score, and if poison among them was recognised.",
        f"Resolution: with this many verified, a planted group of fewer than {span} cannot become "
        "significant at all, even if it outranks everything else.",
    ]


def _too_few(counts: dict[int, tuple[int, int]], class_names: Sequence[str]) -> list[str]:
    missing = [
        (class_names[label], FEWEST_VERIFIED - known)
        for label, (others, known) in counts.items()
        if known < FEWEST_VERIFIED and others + known >= FEWEST_VERIFIED
    ]
    if not missing:
        return []
    if len(missing) == len(counts) and len({more for _, more in missing}) == 1:
        return [f"No class has p-values: verify {missing[0][1]} more random samples of each."]
    shown = ", ".join(f"{more} more of {name}" for name, more in missing[:6])
    rest = f" and of {len(missing) - 6} further classes" if len(missing) > 6 else ""
    return [
        f"{len(missing)} classes have no p-values; each needs {FEWEST_VERIFIED} verified samples: "
        f"{shown}{rest}."
    ]
