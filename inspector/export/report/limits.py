"""What could not have been seen: measured limits where the case has them, and all caveats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case import Case

_NOT_MEASURED = (
    "Not measured: no known poison was planted in a copy of these data to see from which strength "
    "on it would have been found. Small or well-hidden poison may have been missed, and nothing "
    "here says how small."
)
_MEASURED = (
    "Measured on this case: poison below these limits would not have been found reliably, so that "
    "nothing was found says nothing about it."
)


def not_seen(case: Case, scan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the blind spots of a case.

    Returns
    -------
    dict
        ``measured``, ``sentence``, ``limits`` (the record, or None) and ``caveats``: those of the
        whole scan, then those of the trigger search; each detector's own stand with its method.
    """
    limits = case.get("limits")
    summary = case.get("trigger_summary") or {}
    caveats = [*scan["caveats"], *map(str, summary.get("caveats") or ())]
    return {
        "measured": bool(limits),
        "sentence": _MEASURED if limits else _NOT_MEASURED,
        "limits": limits or None,
        "caveats": list(dict.fromkeys(caveats)),
    }
