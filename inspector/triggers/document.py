"""The trigger report as one JSON document: what `inspector trigger --json` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from inspector.api import VERDICTS, Verdict
from inspector.triggers.anomaly import FALSE_ALARMS, FEWEST_CLASSES
from inspector.triggers.calibrating import FEWEST_SHADOWS, Calibration
from inspector.triggers.comparing import compare
from inspector.triggers.result import TriggerResult, finite
from inspector.triggers.screening import SCREENS

LEAST_SUCCESS = 0.8
"""Lower end of the success interval that a significant trigger needs: fewer is no backdoor."""

BEYOND = 0.01
"""Largest p-value beside shadow networks for "high"; it needs 99 of them."""

CLEAR = 0.01
"""Largest p-value for "medium". Above it a trigger may be an easy class: bags, in networks trained on
Fashion-MNIST, have come out at 0.02 with no backdoor to them."""

NEVER_CLEAN = (
    "That no trigger was found never means that the model is clean: clean-label and sinusoid "
    "backdoors escape every search of this kind while the data may show them, warped ones escape all "
    "but feature-space, and source-specific ones most."
)
_SEVERAL = (
    "Thresholds and p-values are for all {} methods of this search together; a class that stands out "
    "only after many searches of one network still does so more easily by chance."
)
_CALIBRATION = (
    f"The threshold keeps false alarms at {FALSE_ALARMS:.0%} of clean networks if the log sizes of "
    "their triggers are normal, and they need not be: of 79 small networks without a backdoor 10 had a "
    "significant class, 1 of them medium. It was not calibrated on clean copies of this network "
    "(--shadows does that), so the verdict stops at medium."
)
_NATURAL = (
    "A small trigger can also be a natural feature of its class, such as an object that is easy to "
    "draw; look at it before believing it."
)


def trigger_document(
    results: Sequence[TriggerResult],
    class_names: Sequence[str] | Mapping[int, str],
    calibrations: Mapping[str, Calibration] | None = None,
) -> dict[str, Any]:
    """Compare the searched classes and say what that means.

    Parameters
    ----------
    results : sequence of TriggerResult
        One per class and method; only results of the same method are compared.
    class_names : sequence or mapping of str
        Names by class index.
    calibrations : mapping, optional
        By method, what shadow networks say, in the order of the method's results. With shadows enough
        they decide what is significant.

    Returns
    -------
    dict
        ``classes`` (index, name, method, anomaly, threshold, p_value, success_rate,
        success_interval, mask_l1, significant, verdict, compared (among how many classes), and the
        rest of `TriggerResult.summary` without the history), ``verdict`` (the worst) and
        ``caveats``. JSON-able; what is not assessed is None.
    """
    calibrations = calibrations or {}
    rows = {id(result): row for result, row in _compared(results, calibrations)}
    classes = []
    for result in results:
        row = rows[id(result)]
        summary = result.summary()
        del summary["history"]
        classes.append({**summary, "name": str(class_names[result.class_index]), **row})
    worst = max((row["verdict"] for row in classes), key=VERDICTS.index, default="none")
    return {"classes": classes, "verdict": worst, "caveats": _caveats(results, calibrations)}


def network_verdict(
    rows: Sequence[Mapping[str, Any]], p_value: float | None, shadows: int
) -> Verdict | None:
    """Judge a network as a whole by its p-value beside shadow networks.

    Parameters
    ----------
    rows : sequence of mapping
        ``classes`` of `trigger_document`.
    p_value : float or None
        The smallest of all classes and methods together.
    shadows : int
        How many it was compared with.

    Returns
    -------
    str or None
        None with too few shadows to decide. Of clean networks that were trained as they were,
        `FALSE_ALARMS` get more than "none" and `BEYOND` get "high", at most. It goes as far as a class
        of them does, and no farther than "low" where no trigger works that deviates.
    """
    if shadows < FEWEST_SHADOWS or p_value is None:
        return None
    if p_value > FALSE_ALARMS:
        return "none"
    compared: list[Verdict] = [row["verdict"] for row in rows if "shadows" in row]
    return max(["low", *compared], key=VERDICTS.index)


def _compared(
    results: Sequence[TriggerResult], calibrations: Mapping[str, Calibration]
) -> Iterator[tuple[TriggerResult, dict[str, Any]]]:
    by_method = {
        method: [result for result in results if result.method == method]
        for method in dict.fromkeys(result.method for result in results)
    }
    methods = sum(compare(same)[1] >= FEWEST_CLASSES for same in by_method.values())
    for method, same in by_method.items():
        anomaly, compared = compare(same, max(methods, 1))
        beside = calibrations.get(method)
        for at, result in enumerate(same):
            p_value = float(anomaly.p_value[at])
            decisive, medium, high = p_value, CLEAR, 0.0
            if beside is not None and beside.conclusive:
                # What is natural to a class is so in the shadows, too: nothing else can be meant.
                decisive, medium, high = float(beside.family_p_value[at]), FALSE_ALARMS, BEYOND
            significant = bool(_works(result) and decisive <= FALSE_ALARMS)
            sure: Verdict = "high" if decisive <= high else "medium"
            row = {
                "anomaly": finite(float(anomaly.index[at])),
                "threshold": finite(anomaly.threshold),
                "p_value": finite(p_value),
                "significant": significant,
                "verdict": _verdict(result, significant, sure if decisive <= medium else "low"),
                "compared": compared,
            }
            yield result, row if beside is None else {**row, "shadows": _beside(beside, at)}


def _beside(calibration: Calibration, at: int) -> dict[str, Any]:
    """Return what shadow networks say of one class."""
    return {
        "deviation": finite(float(calibration.deviation[at])),
        "threshold": finite(calibration.threshold),
        "p_value": finite(float(calibration.p_value[at])),
        "family_p_value": finite(float(calibration.family_p_value[at])),
        "others": [finite(float(value)) for value in calibration.others[:, at]],
    }


def _works(result: TriggerResult) -> bool:
    """Tell whether a trigger turns what it should; a method without one has nothing to show."""
    if result.status == "skipped":
        return bool(result.looks)
    return result.reached and result.success_interval[0] >= LEAST_SUCCESS


def _verdict(result: TriggerResult, significant: bool, sure: Verdict) -> Verdict:
    if not significant:
        return "none"
    return sure if result.status == "done" else "low"


def _shadowed(calibrations: Mapping[str, Calibration]) -> str:
    """Say what the shadows are good for."""
    count = min(beside.shadows for beside in calibrations.values())
    if count < FEWEST_SHADOWS:
        return (
            f"{count} shadow networks cannot make a class significant; {FEWEST_SHADOWS} can. The "
            "verdict rests on the classes beside one another."
        )
    return (
        f"Judged beside {count} shadow networks, all methods together ({', '.join(calibrations)}): a "
        "class is significant that deviates more than any class does, in any of these methods, in all "
        f"but {FALSE_ALARMS:.0%} of them. That holds if the network was trained as they were, on such "
        "data; another recipe can set classes apart as well."
    )


def _screened(results: Sequence[TriggerResult]) -> list[str]:
    """Say of each method which classes it compared early, and what became of them."""
    said = []
    for method in dict.fromkeys(result.method for result in results):
        rows = [
            result.details["screening"]
            for result in results
            if result.method == method and "screening" in result.details
        ]
        left = sum(not row["kept"] for row in rows)
        if left:
            said.append(
                f"{method} compared the classes after {rows[0]['steps']} steps each, and searched "
                f"{len(rows) - left} of them to the end for a trigger as small as it gets. The other "
                f"{left} masks are upper bounds; --classes searches some to the end, --full all."
            )
    return said


def _caveats(
    results: Sequence[TriggerResult], calibrations: Mapping[str, Calibration]
) -> list[str]:
    caveats = [NEVER_CLEAN]
    methods = list(dict.fromkeys(result.method for result in results))
    assessed = len(
        {result.class_index for result in results if not np.isnan(result.compared).any()}
    )
    conclusive = [name for name, beside in calibrations.items() if beside.conclusive]
    if assessed < FEWEST_CLASSES and not conclusive:
        caveats.append(
            f"An anomaly index compares classes; with {assessed} searched there is none. "
            "Search all classes."
        )
    else:
        if set(methods) - set(conclusive) - set(SCREENS):
            caveats.append(_CALIBRATION)
        if calibrations:
            caveats.append(_shadowed(calibrations))
        caveats.append(_NATURAL)
    if len(methods) > 1:
        caveats.append(_SEVERAL.format(len(methods)))
    skipped = [
        str(result.class_index)
        for result in results
        if result.status == "skipped" and not result.looks
    ]
    if skipped:
        caveats.append(f"Not searched: class {', '.join(skipped)}.")
    caveats += _screened(results)
    early = sorted({result.class_index for result in results if result.stopped_early})
    if early:
        caveats.append(
            f"Stopped early: class {', '.join(map(str, early))}. These triggers work and might still "
            "shrink, so they are not compared with others and get no verdict."
        )
    return caveats
