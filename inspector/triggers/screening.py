"""Which classes of a search are worth its full length, and what is said of the others.

A search for the smallest trigger is long, and most classes are of no interest. Successive halving
(Jamieson and Talwalkar 2016) would stop them early, but sizes after different numbers of steps do not
compare: whoever is searched longer has the smaller trigger. So every class is searched to the same
early point, its method's rung, and *there* the classes are compared, whatever comes later. The classes
that stand out, there or in one of the cheap screens, are then searched to the end: for a trigger that
is as small as it gets, not for the comparison. What the others have is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from inspector.triggers.anomaly import FEWEST_CLASSES, SIZE_NOISE, size_look
from inspector.triggers.comparing import compare
from inspector.triggers.method import MethodInfo
from inspector.triggers.result import TriggerResult, finite
from inspector.triggers.search import Search

SCREENS = ("universal-perturbation", "maximum-margin")
"""Methods that look at all classes at once, at a fraction of the cost."""

POINTS = 2.0
"""Anomaly from where on a class goes on. Generous, since this decides about time and not about guilt:
one clean network in seven has such a class."""


def has_rung(info: MethodInfo | None, search: Search) -> bool:
    """Tell whether a method can compare the classes of a search before they are through."""
    if info is None or not info.rung or len(search.classes) < FEWEST_CLASSES:
        return False
    return search.steps is None or search.steps > info.rung


def pointed_at(
    rung: Sequence[TriggerResult], screens: Iterable[TriggerResult] = ()
) -> dict[int, tuple[str, ...]]:
    """Choose the classes to search to the end.

    Parameters
    ----------
    rung : sequence of TriggerResult
        Of all classes after the same number of steps.
    screens : iterable of TriggerResult
        Of the screens that were made.

    Returns
    -------
    dict
        By class, the methods in which it stands out by `POINTS`; the class that stands out most at the
        rung is always there. All classes when the rung cannot compare them: most had no trigger yet.
    """
    anomaly, _ = compare(rung)
    if np.isnan(anomaly.index).all():
        return {result.class_index: () for result in rung if result.status == "done"}
    chosen: dict[int, tuple[str, ...]] = {}
    foremost = int(np.nanargmax(anomaly.index))
    for at, result in enumerate(rung):
        if anomaly.index[at] >= POINTS or at == foremost:
            chosen[result.class_index] = (result.method,)
    at_hand = {result.class_index for result in rung if result.status == "done"}
    made = list(screens)
    for method in dict.fromkeys(result.method for result in made):
        same = [result for result in made if result.method == method]
        for result, index in zip(same, compare(same)[0].index):
            if index >= POINTS and result.class_index in at_hand:
                chosen[result.class_index] = (*chosen.get(result.class_index, ()), method)
    return chosen


def stopped_at(result: TriggerResult, steps: int) -> TriggerResult:
    """Return what a class has that is not searched beyond the rung."""
    reason = (
        f"Screened: not searched beyond {steps} steps, where it did not stand out among the classes, "
        "nor in a screen. The mask is an upper bound."
    )
    return _told(result, result, steps, kept=False, by=(), reason=reason)


def gone_on(
    rung: TriggerResult, full: TriggerResult, steps: int, by: tuple[str, ...]
) -> TriggerResult:
    """Return what a class has that was searched to the end, compared as it was at the rung."""
    if not by:
        return full  # Nothing was compared: sizes at the end are what compares.
    named = " and ".join(by)
    reason = f"Searched to the end: it stands out most, or by {POINTS:g} deviations, in {named}."
    compared = replace(full, looks=(size_look(rung.comparable_l1),), noise=(SIZE_NOISE,))
    return _told(compared, rung, steps, kept=True, by=by, reason=reason)


def cut_short(result: TriggerResult) -> TriggerResult:
    """Return the rung's trigger of a class that should have gone on when the search was ended."""
    said = (
        "Stopped early, before the search to the end was through: this is the trigger of the first "
        "rung. It is not compared with those of other classes."
    )
    return replace(result, stopped_early=True, notes=(said, *result.notes))


def _told(
    result: TriggerResult,
    rung: TriggerResult,
    steps: int,
    *,
    kept: bool,
    by: tuple[str, ...],
    reason: str,
) -> TriggerResult:
    screening = {
        "kept": kept,
        "steps": steps,
        "mask_l1": finite(rung.mask_l1),
        "by": list(by),
        "reason": reason,
    }
    return replace(result, details={**result.details, "screening": screening})
