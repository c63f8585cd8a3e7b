"""What the trigger searches of a case concluded, as other programs and people read it.

The shape of the document is a contract: ``resources/schema/trigger.schema.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inspector.case.document_parts import class_name, clean, listed, plural, worst
from inspector.case.folder import Case
from inspector.case.trigger_choice import SEARCH

_SHADOWS = ("count", "accuracy", "train", "left_out", "role", "architecture", "why", "p_value")

_TRIGGER_MORE = (
    "form",
    "held_out",
    "controls",
    "retained",
    "stability",
    "budgets",
    "budget",
    "margin",
    "source",
    "notes",
    "stopped_early",
    "screening",
    "shadows",
)
"""What a trigger's row has beyond the contract's first ten keys, where the search said it."""

_UNIVERSAL = "universal-perturbation"
_BASELINE_BUDGET = 8


def trigger_document(case: Case) -> dict[str, Any]:
    """Return the reconstructed triggers, as ``trigger --json`` prints them.

    The verdict is the worst that the searches gave; where one gave none, a significant trigger that
    works on held-out samples counts "medium" (high needs more than one network), another
    significant one "low".
    """
    rows, verdicts = [], []
    usual = _usual_success(case)
    for trigger in case.triggers():
        interval = trigger.get("success_interval") or None
        if interval is not None and None in interval:
            interval = None
        significant = bool(trigger.get("significant", False))
        rows.append(
            {
                "index": trigger["index"],
                "name": class_name(case, trigger["index"]),
                "method": trigger["method"],
                "anomaly": trigger.get("anomaly"),
                "threshold": trigger.get("threshold"),
                "p_value": trigger.get("p_value"),
                "success_rate": trigger.get("success_rate"),
                "success_interval": interval,
                "mask_l1": trigger.get("mask_l1"),
                "significant": significant,
                **{key: trigger[key] for key in _TRIGGER_MORE if key in trigger},
                **usual.get(trigger["index"], {}),
            }
        )
        works = interval is not None and interval[0] >= 0.5
        judged = ("medium" if works else "low") if significant else "none"
        verdicts.append(trigger.get("verdict", judged))
    document: dict[str, Any] = {"classes": rows, "verdict": worst(verdicts)}
    shadows = shadows_of(case)
    if shadows is not None:
        document["shadows"] = shadows
    # A case without any search has nothing to be careful about, nor has one from elsewhere.
    caveats = (case.get("trigger_summary") or {}).get("caveats")
    if caveats:
        document["caveats"] = [str(line) for line in caveats]
    found = case.findings().get(SEARCH)
    if found:
        document["search"] = {
            "trigger": (found.get("parameters") or {}).get("trigger"),
            "carriers": found.get("carriers"),
            "among_target": found.get("among_target"),
            "threshold": found.get("threshold"),
            "verdict": found.get("verdict") or "none",
            "caveats": [str(line) for line in found.get("caveats") or ()],
        }
    return clean(document)


def _usual_success(case: Case) -> dict[int, dict[str, Any]]:
    """Return by class how far a faint universal noise gets, beside the median of other classes.

    A class to which faint noise leads nearly every picture has a short way to it with or without a
    backdoor; only one that stands out from the untouched ones says something.
    """
    rates: dict[int, float] = {}
    for trigger in case.triggers():
        if trigger["method"] == _UNIVERSAL:
            for row in trigger.get("budgets") or ():
                if row.get("budget") == _BASELINE_BUDGET and row.get("success_rate") is not None:
                    rates[trigger["index"]] = float(row["success_rate"])
    return {
        index: {
            "baseline": {
                "budget": _BASELINE_BUDGET,
                "success_rate": rate,
                "others": float(np.median([r for other, r in rates.items() if other != index])),
            }
        }
        for index, rate in rates.items()
        if len(rates) > 1
    }


def shadows_of(case: Case) -> dict[str, Any] | None:
    """Return what the last search says of its shadow networks; None when it had none."""
    told = (case.get("trigger_summary") or {}).get("shadows")
    if not isinstance(told, Mapping) or not isinstance(told.get("accuracy"), list):
        return None
    return {name: told.get(name) for name in _SHADOWS}


def shadow_budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what shadow networks will take, before they are trained."""
    like = (
        "with the architecture of the model"
        if not budget["why"]
        else f"small residual networks, for the model's cannot be drawn anew: {budget['why']}"
    )
    left = f" ({budget['left_out']:,} are left out, for they look suspicious)"
    return (
        f"{budget['count']} shadow networks, {like}, are trained on {budget['train']:,} samples each"
        f"{left if budget['left_out'] else ''} for {budget['epochs']} epochs and searched like the "
        f"model: about {budget['seconds']:.0f} s on top of the search."
    )


def shadows_sentence(shadows: Mapping[str, Any]) -> str:
    """Put into words what the classes were compared with."""
    known = [value for value in shadows["accuracy"] if isinstance(value, int | float)]
    between = f", accuracy {min(known):.0%} to {max(known):.0%}" if known else ""
    source = (
        "the trusted reference" if shadows["role"] == "reference" else "samples that look clean"
    )
    return (
        f"{shadows['count']} shadow networks ({shadows['architecture']}{between}) were trained on "
        f"{source} and searched alike. Deviation: how much smaller the trigger of a class is than in "
        "them, as a difference of logarithms; p-value: how many of them have a class that deviates as "
        "much in any method, the one at hand counted."
    )


def trigger_sentence(document: Mapping[str, Any]) -> str:
    """Put the verdict of a trigger document into words."""
    rows = document["classes"]
    if not rows:
        return "No trigger was searched for yet."
    found = [row["name"] for row in rows if row["significant"]]
    judged = {row["index"] for row in rows if not row.get("stopped_early")}
    early = len({row["index"] for row in rows} - judged)
    open_ = f" Stopped early and not judged: {early} {plural(early, 'class')}." if early else ""
    if not judged:
        return open_.strip()
    if not found:
        screened = len({row["index"] for row in rows if _screened(row)})
        how = f" ({screened} of them screened, not searched to the end)" if screened else ""
        return (
            f"No trigger found for {len(judged)} {plural(len(judged), 'class')}{how}. That does not "
            "show that the model is clean: clean-label and sinusoid backdoors escape this search."
            f"{open_}"
        )
    return (
        f"Verdict {document['verdict']}: an unusually small pattern flips predictions to "
        f"{plural(len(set(found)), 'class')} {listed(sorted(set(found)))}.{open_}"
    )


def _screened(row: Mapping[str, Any]) -> bool:
    screening = row.get("screening")
    return isinstance(screening, Mapping) and not screening.get("kept")
