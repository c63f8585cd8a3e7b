"""What could not have been seen: power maps and drills where the case has them, and all caveats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case import Case
from inspector.case.drill_document import drill_document, drill_sentence
from inspector.case.limits_document import limits_document, limits_sentence

_NOT_MEASURED = (
    "Not measured: no groups were planted in these data to see from which size and distance on they "
    "would have been found. Small or well-hidden poison may have been missed, and nothing here says "
    "how small. To measure it run `inspector limits CASE --class NAME`."
)
_MISSED, _HALF, _FOUND = (240, 160, 112), (251, 243, 228), (150, 196, 240)
"""Colours of power 0, 0.5 and 1: told apart by those who see no red or green, too."""


def not_seen(case: Case, scan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the blind spots of a case.

    Returns
    -------
    dict
        ``measured``, ``sentence``, ``limits`` (`limits_document` with a ``sentence`` for each class,
        or None), ``unmeasured`` (names of the classes without a power map), ``drills`` (those of
        `drill_document` with a ``sentence``, newest last) and ``caveats``: those of the whole scan,
        then those of the trigger search; each detector's own stand with its method.
    """
    limits = limits_document(case)
    rows = [{**row, "sentence": limits_sentence(row)} for row in limits["classes"]]
    further = [{**row, "sentence": limits_sentence(row)} for row in limits["canaries"]]
    measured = {row["index"] for row in rows}
    left = [name for index, name in enumerate(case.class_names) if index not in measured]
    summary = case.get("trigger_summary") or {}
    caveats = [*scan["caveats"], *map(str, summary.get("caveats") or ())]
    return {
        "measured": bool(rows),
        "sentence": _measured(len(rows), len(left)) if rows else _NOT_MEASURED,
        "limits": {**limits, "classes": rows, "canaries": further} if rows or further else None,
        "unmeasured": left,
        "drills": [
            {**drill, "sentence": drill_sentence(drill)} for drill in drill_document(case)["drills"]
        ],
        "caveats": list(dict.fromkeys(caveats)),
    }


def power_table(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the power map of one class out as a picture made of cells.

    Parameters
    ----------
    row : mapping
        A class of ``not_seen.limits``.

    Returns
    -------
    dict
        ``distances`` (ascending) and ``shares``: those of ``by_share`` with ``cells``, one for each
        distance with ``colour`` (six hexadecimal digits), or None where nothing was planted.
    """
    distances = sorted({cell["distance"] for cell in row["cells"]})
    shares = []
    for one in row["by_share"]:
        mine = {cell["distance"]: cell for cell in row["cells"] if cell["share"] == one["share"]}
        drawn = {
            distance: {**cell, "colour": _colour(cell["power"])}
            for distance, cell in mine.items()
            if cell["power"] is not None
        }
        shares.append({**one, "cells": [drawn.get(distance) for distance in distances]})
    return {"distances": distances, "shares": shares}


def _measured(count: int, left: int) -> str:
    which = "every class" if not left else f"{count:,} of {count + left:,} classes"
    return (
        f"Measured on planted groups for {which}: poison that is smaller or nearer than these limits "
        "would not have been found reliably, so that nothing was found says nothing about it."
    )


def _colour(power: float) -> str:
    power = min(max(float(power), 0.0), 1.0)
    first, last = (_MISSED, _HALF) if power < 0.5 else (_HALF, _FOUND)
    part = power * 2 - (power >= 0.5)
    return "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(first, last))
