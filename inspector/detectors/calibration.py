"""What a verified sample adds: p-values of samples and of classes, and what they cannot show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.statistics.conformal import conformal_p_values
from inspector.statistics.envelope import false_bounds
from inspector.statistics.multiplicity import holm
from inspector.statistics.permutation import (
    draws_for,
    label_permutation_test,
    smallest_significant_group,
)
from inspector.statistics.selection import learned_selection

FEWEST_VERIFIED = 20
"""Verified samples that a class needs: below it the smallest possible p-value is about 0.05."""

LEVEL = 0.05
"""Family-wise error rate of the verdict "high"."""

SELECTION = 0.1
"""False discovery rate at which selected samples are counted."""

_STRANGE = 4.5
"""Deviations from chance beyond which a verified sample is called not random (once in 70,000)."""


@dataclass(frozen=True)
class Calibration:
    """p-values from verified samples.

    Attributes
    ----------
    sample_p : ndarray, shape (n,), float32
        Conformal, of the combined ranking within the class; NaN where the class has too few
        verified samples.
    q_value : ndarray, shape (n,), float32
        Selecting samples with a q-value ≤ q errs in a share q of them on average, in each class;
        from the learned combination. NaN for verified samples and where it was not learned.
    false_bound : ndarray, shape (n,), float32
        For a cut of the combined ranking at this sample: most false ones among those of its class
        that no one verified and that lie at or above it, with probability 0.9 for all cuts at once.
    class_p : ndarray, shape (C,), float64
        From the label permutation test; NaN where not tested.
    class_p_holm : ndarray, shape (C,), float64
        The same, corrected for the number of classes tested.
    class_p_clean : ndarray, shape (C,), float64
        Corrected p-values against the clean ones among the verified alone, where an audit found
        others; NaN elsewhere.
    weights : dict of int to ndarray, shape (2·J,)
        Of the learned combination by class, see `LearnedSelection.weights`.
    caveats : tuple of str
    """

    sample_p: NDArray[np.float32]
    q_value: NDArray[np.float32]
    false_bound: NDArray[np.float32]
    class_p: NDArray[np.float64]
    class_p_holm: NDArray[np.float64]
    class_p_clean: NDArray[np.float64]
    weights: dict[int, NDArray[np.float64]]
    caveats: tuple[str, ...]

    @property
    def tested(self) -> bool:
        """Whether any class had enough verified samples."""
        return bool(np.isfinite(self.class_p).any())


def calibrate(
    combined: NDArray[np.float32],
    columns: NDArray[Any],
    labels: NDArray[Any],
    verified: NDArray[Any],
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
        Scores of the detectors in the ranking; the test looks at both tails of each.
    labels : ndarray, shape (n,), integer
    verified : ndarray, shape (n,), bool or int8
        Samples of a random draw that a person looked at: 1 clean, 2 of a wrong label or undecided,
        3 poison; 0 the rest. Poison is no reference, but it was drawn.
    class_names : sequence of str
    seed : int
    check : callable
        May raise to cancel.

    Returns
    -------
    Calibration
    """
    n, codes = len(combined), np.asarray(verified).astype(np.int8)
    is_reference = references(codes)
    sample_p, q_value, false_bound = (np.full(n, np.nan, np.float32) for _ in range(3))
    class_p, class_clean = np.full(len(class_names), np.nan), np.full(len(class_names), np.nan)
    weights: dict[int, NDArray[np.float64]] = {}
    assessed = ~np.isnan(combined)
    caveats: list[str] = []
    members = {
        label: np.flatnonzero((labels == label) & assessed) for label in range(len(class_names))
    }
    counts = {
        label: (len(rows) - int(known), int(known))
        for label, rows in members.items()
        for known in [np.count_nonzero(is_reference[rows])]
    }
    testable = [
        label
        for label, (others, known) in counts.items()
        if known >= FEWEST_VERIFIED and others > 0
    ]
    draws = draws_for(len(testable), LEVEL)
    for label, rows in members.items():
        if counts[label][1] < FEWEST_VERIFIED:
            continue
        reference = is_reference[rows]
        own = combined[rows]
        sample_p[rows] = conformal_p_values(own, own[reference])
        if label not in testable:
            continue
        false_bound[rows[~reference]] = false_bounds(own[~reference], own[reference])
        tails = both_tails(columns[rows])
        class_p[label] = label_permutation_test(
            tails, reference, draws=draws, seed=seed + label, check=check
        )[1]
        clean = codes[rows] == 1
        if FEWEST_VERIFIED <= np.count_nonzero(clean) < np.count_nonzero(reference):
            class_clean[label] = label_permutation_test(
                tails, clean, draws=draws, seed=seed + label, check=check
            )[1]
        check()
        learned = learned_selection(columns[rows], reference, seed=seed + label)
        if learned is not None:
            q_value[rows] = learned.q_values
            weights[label] = learned.weights
        if doubt := _not_random(codes[rows] > 0, own):
            caveats.append(f"Class {class_names[label]}: {doubt}")
    class_p_holm, class_p_clean = holm(class_p), holm(class_clean)
    explained = (class_p_holm > LEVEL) & (class_p_clean <= LEVEL)
    caveats += [
        f"Class {class_names[label]} differs from its clean verified samples "
        f"(p = {class_p_clean[label]:.2g}), but no longer once the wrong labels that the audit "
        "found count as ordinary: label noise, or poison that passes for it. Look at its top."
        for label in np.flatnonzero(explained).tolist()
    ]
    caveats += [*_what_p_means(counts, testable), *_too_few(counts, class_names)]
    return Calibration(
        sample_p,
        q_value,
        false_bound,
        class_p,
        class_p_holm,
        class_p_clean,
        weights,
        tuple(caveats),
    )


def both_tails(columns: NDArray[Any]) -> NDArray[Any]:
    """Return the columns and their negatives, (n, J) → (n, 2·J): poison may be too ordinary."""
    return np.concatenate([columns, -columns], axis=1)


def references(codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell who is in the verified sample: clean, of a wrong label or undecided, but no poison."""
    given = np.asarray(codes).astype(np.int8)
    return (given == 1) | (given == 2)


def _not_random(drawn: NDArray[np.bool_], combined: NDArray[np.float32]) -> str:
    """Return why the drawn members of a class do not look like a random sample, or nothing.

    Their places in the dataset and in the ranking must be spread as by chance. Missing from the top
    is what the test looks for; the rest of the ranking says whether they were picked by score.
    """
    count, known = len(drawn), int(np.count_nonzero(drawn))
    by_score = np.argsort(np.argsort(combined, kind="stable"), kind="stable")
    middle = by_score < 0.7 * count
    checks = (
        ("by their place in the dataset", np.arange(count), np.ones(count, np.bool_)),
        ("by how they score", by_score, middle),
    )
    for how, place, among in checks:
        ranks, mine = place[among].argsort().argsort(), drawn[among]
        total, some = len(ranks), int(np.count_nonzero(mine))
        if not 0 < some < total or known < FEWEST_VERIFIED:
            continue
        deviation = np.sqrt((total + 1) * (total - some) / (12 * some))
        z = (ranks[mine].mean() - (total - 1) / 2) / deviation
        spread = np.abs(ranks[mine] - (total - 1) / 2).mean() - total / 4
        spread_z = spread / (total / np.sqrt(48) * np.sqrt((1 / some) * (1 - some / total)))
        if max(abs(z), abs(spread_z)) > _STRANGE:
            return (
                f"the verified samples seem to have been chosen {how}, not drawn at random; its "
                "p-values cannot be relied on unless poison that was left out of them lies together "
                "there."
            )
    return ""


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
        "who put it there; a rare natural kind counts too, and label noise unless an audit found "
        f'some of it. A clean dataset reaches "high" in at most {LEVEL:.0%} of scans.',
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
