"""What the trigger searches of a case concluded, as other programs and people read it.

The shape of the document is a contract: ``resources/schema/trigger.schema.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inspector.case.document_parts import class_name, clean, listed, plural, worst
from inspector.case.folder import Case
from inspector.case.shadow_document import beside_of, shadows_of
from inspector.case.trigger_choice import SEARCH

_TRIGGER_MORE = (
    "form",
    "region",
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
                **({"shadows": beside} if (beside := beside_of(trigger)) else {}),
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


def trigger_sentence(document: Mapping[str, Any]) -> str:
    """Put the verdict of a trigger document into words."""
    rows = document["classes"]
    if not rows:
        return "No trigger was searched for yet."
    found = [row["name"] for row in rows if row["significant"]]
    judged = {row["index"] for row in rows if not row.get("stopped_early")}
    stopped = [row for row in rows if row.get("stopped_early")]
    early = len({row["index"] for row in stopped})
    # Another search may have judged them meanwhile: then the one that was stopped is named.
    by = listed(sorted({str(row["method"]) for row in stopped if row["index"] in judged}))
    whose = f" by {by}" if by else ""
    open_ = (
        f" Stopped early and not judged{whose}: {early} {plural(early, 'class')}." if early else ""
    )
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


def region_words(row: Mapping[str, Any]) -> str:
    """Say how large a trigger is and where it lies; empty where that is not known.

    Parameters
    ----------
    row : mapping
        Of a trigger document, or a trigger's record.
    """
    region = row.get("region")
    if not isinstance(region, Mapping):
        return ""
    pixels, sides = region.get("pixels"), [region.get(side) for side in ("rows", "columns")]
    ends = [end for side in sides if isinstance(side, list) for end in side]
    if len(ends) != 4 or not all(isinstance(value, int) for value in (pixels, *ends)):
        return ""
    top, bottom, left, right = ends
    return f"{pixels:,} px in rows {top}–{bottom}, columns {left}–{right}"


def _screened(row: Mapping[str, Any]) -> bool:
    screening = row.get("screening")
    return isinstance(screening, Mapping) and not screening.get("kept")
