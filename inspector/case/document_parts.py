"""Pieces that the documents of a case have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inspector.case.canonical import plain, valid_unicode
from inspector.case.findings import VERDICTS
from inspector.case.folder import Case


def worst(verdicts: Iterable[str]) -> str:
    """Return the gravest of some verdicts; "none" of none."""
    return max(verdicts, key=VERDICTS.index, default="none")


def class_name(case: Case, index: int) -> str:
    """Return the name of a class, its number when the case has none."""
    return case.class_names[index] if 0 <= index < len(case.class_names) else str(index)


def findings_in_order(case: Case) -> dict[str, dict[str, Any]]:
    """Return the findings by detector: those of the last scan in its order, then all others.

    They are recorded when they change, which is no order that anybody looks for.
    """
    found = case.findings()
    order = (case.get("outcome") or {}).get("order") or []
    first = [name for name in map(str, order) if name in found]
    return {name: found[name] for name in dict.fromkeys((*first, *found))}


def clean(value: Any) -> Any:
    """Return a document that every JSON parser reads: valid Unicode, None for NaN."""
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, Mapping):
        return {valid_unicode(str(key)): clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(inner) for inner in value]
    return plain(value)


def plural(count: int, word: str) -> str:
    """Return a word in the number that goes with a count."""
    return word if count == 1 else word + ("es" if word.endswith("s") else "s")


def listed(names: list[str]) -> str:
    """Return names with commas between, five at most."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def time_span(seconds: float) -> str:
    """Return about how long something takes, in the unit that a person would say it in."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
