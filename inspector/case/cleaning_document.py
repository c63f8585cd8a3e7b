"""What a check of the cleaning measured, as other programs and people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inspector.case.canonical import valid_unicode
from inspector.case.folder import Case
from inspector.case.shapes import readable

SCHEMA = "inspector/cleaning/1"
KIND = "cleaning"
"""Of the records in the case."""

STARTS = ("auto", "scratch", "weights")
MODELS = ("before", "cleaned", "kept")
"""The case's own model; the copy trained without the tagged samples; the one trained with them."""

RATES = ("accuracy", "success", "usual")

_STARTED = {
    "scratch": "from weights drawn anew",
    "weights": "from the suspect's weights with a last layer drawn anew",
}

_SAID = {
    "removed": "Leaving out the tagged samples takes the trigger's effect away; the same training "
    "with them does not. What the trigger works through lies among the tagged samples.",
    "training": "The trigger's effect falls, but so it does when the tagged samples stay: training "
    "alone did that, and nothing is shown about the tags. A reconstruction can be peculiar to the "
    "one network that it was made for.",
    "stays": "The trigger works about as well without the tagged samples: what it works through is "
    "not (all) among them, or is a natural feature of the class.",
    "idle": "The trigger hardly works on the case's own model with these samples, so a fall could "
    "not be seen.",
}

CAVEATS = (
    "This is about one trigger as it was reconstructed. Other triggers, and poison that needs none of "
    "it (clean-label, sinusoid), are not tested: it never means that the data are clean.",
    "The copies saw a random part of the data for a short time; a full training may differ. The "
    "held-out samples were kept out of these trainings; the case's own model may have seen them.",
)
_LEAST = 0.5


def cleaning_outcome(check: Mapping[str, Any]) -> str:
    """Return what a check shows: "removed", "training", "stays" or "idle".

    One success rate counts as lower than another when their 95 % intervals do not touch.
    """
    before, cleaned, kept = (check[model]["success"]["interval"] for model in MODELS)
    if before[0] < _LEAST:
        return "idle"
    if cleaned[1] < kept[0]:
        return "removed"
    return "training" if cleaned[1] < before[0] else "stays"


def cleaning_document(case: Case, keys: Sequence[str] | None = None) -> dict[str, Any]:
    """Return checks of a case, all without ``keys``, as ``verify-cleaning --json`` prints them."""
    stored = case.kept(KIND)
    checks = readable(
        stored if keys is None else keys, lambda key: _check(key, stored[key], case.class_names)
    )
    return {"schema": SCHEMA, "checks": checks}


def _check(key: str, one: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    target, caveats = int(one["target"]), list(CAVEATS)
    if one["budget"]["start"] == "weights":
        caveats.append(
            "The copies began from the suspect's weights, which may remember the trigger whatever "
            "they are shown."
        )
    outcome = cleaning_outcome(one)
    return {
        "key": key,
        **one,
        "target_name": valid_unicode(names[target]) if target < len(names) else str(target),
        "outcome": outcome,
        "sentence": _sentence(one, outcome),
        "caveats": caveats,
    }


def budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what a check will do and take, before it is done."""
    why = f" Not from scratch: {budget['why']}" if budget["why"] else ""
    return (
        f"Two copies of the network are trained {_STARTED[budget['start']]}, one on "
        f"{budget['train']:,} samples without the {budget['removed']:,} tagged ones and one with "
        f"them: {budget['epochs']} epochs ({budget['steps']:,} steps) each, about "
        f"{budget['seconds']:.0f} s together; {budget['held_out']:,} samples are held out to "
        f"measure on.{why}"
    )


def rate_text(rate: Mapping[str, Any]) -> str:
    """Return a rate with its interval, "none" when nothing was measured."""
    if rate["rate"] is None:
        return "none"
    low, high = rate["interval"]
    return f"{rate['rate']:.1%} ({low:.1%} to {high:.1%})"


def _sentence(check: Mapping[str, Any], outcome: str) -> str:
    before, cleaned, kept = (rate_text(check[model]["success"]) for model in MODELS)
    usual = check["cleaned"]["usual"]["rate"]
    accuracy = [rate_text(check[model]["accuracy"]) for model in MODELS]
    return (
        f"Trigger {check['settings']['trigger']} works on {before} of the held-out samples before, on "
        f"{cleaned} after a training without the {check['removed']:,} tagged samples, and on {kept} "
        f"after the same training with them"
        f"{'' if usual is None else f' (without a trigger {usual:.1%} are answered so)'}. "
        f"Clean accuracy: {accuracy[0]}, {accuracy[1]}, {accuracy[2]}. {_SAID[outcome]}"
    )
