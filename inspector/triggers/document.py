"""The trigger report as one JSON document: what `inspector trigger --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inspector.api import VERDICTS, Verdict
from inspector.triggers.anomaly import FALSE_ALARMS, FEWEST_CLASSES, anomaly_index
from inspector.triggers.result import TriggerResult, finite

LEAST_SUCCESS = 0.8
"""Lower end of the success interval that a significant trigger needs: fewer is no backdoor."""

CLEAR = 0.01
"""Largest p-value for "medium". Above it a trigger may be an easy class: bags, in networks trained on
Fashion-MNIST, have come out at 0.02 with no backdoor to them."""

NEVER_CLEAN = (
    "That no trigger was found never means that the model is clean: blended, warped, clean-label and "
    "source-specific backdoors escape this search."
)
_CALIBRATION = (
    f"The threshold keeps false alarms at {FALSE_ALARMS:.0%} of clean networks if the log sizes of "
    "their triggers are normal; it was not calibrated on clean copies of this network, so the verdict "
    "stops at medium."
)
_NATURAL = (
    "A small trigger can also be a natural feature of its class, such as an object that is easy to "
    "draw; look at it before believing it."
)


def trigger_document(
    results: Sequence[TriggerResult], class_names: Sequence[str] | Mapping[int, str]
) -> dict[str, Any]:
    """Compare the searched classes and say what that means.

    Parameters
    ----------
    results : sequence of TriggerResult
        One per class, of one method.
    class_names : sequence or mapping of str
        Names by class index.

    Returns
    -------
    dict
        ``classes`` (index, name, method, anomaly, threshold, p_value, success_rate,
        success_interval, mask_l1, significant, verdict, and the rest of `TriggerResult.summary`
        without the history), ``verdict`` (the worst) and ``caveats``. JSON-able; what is
        not assessed is None.
    """
    anomaly = anomaly_index([result.comparable_l1 for result in results])
    classes: list[dict[str, Any]] = []
    for place, result in enumerate(results):
        index, p_value = float(anomaly.index[place]), float(anomaly.p_value[place])
        works = result.reached and result.success_interval[0] >= LEAST_SUCCESS
        summary = result.summary()
        del summary["history"]
        significant = bool(works and p_value <= FALSE_ALARMS)
        classes.append(
            {
                **summary,
                "name": str(class_names[result.class_index]),
                "anomaly": finite(index),
                "threshold": finite(anomaly.threshold),
                "p_value": finite(p_value),
                "significant": significant,
                "verdict": _verdict(significant, p_value),
            }
        )
    worst = max((row["verdict"] for row in classes), key=VERDICTS.index, default="none")
    return {"classes": classes, "verdict": worst, "caveats": _caveats(results)}


def _verdict(significant: bool, p_value: float) -> Verdict:
    if not significant:
        return "none"
    return "medium" if p_value <= CLEAR else "low"


def _caveats(results: Sequence[TriggerResult]) -> list[str]:
    caveats = [NEVER_CLEAN]
    assessed = sum(not np.isnan(result.comparable_l1) for result in results)
    if assessed < FEWEST_CLASSES:
        caveats.append(
            f"An anomaly index compares classes; with {assessed} searched there is none. "
            "Search all classes."
        )
    else:
        caveats += [_CALIBRATION, _NATURAL]
    skipped = [str(result.class_index) for result in results if result.status == "skipped"]
    if skipped:
        caveats.append(f"Not searched: class {', '.join(skipped)}.")
    return caveats
