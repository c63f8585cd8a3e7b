"""What a model file contains, as short lines for the Case panel; evidence text is made plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspector.gui.plain import plain

MAX_LINES = 12
"""Lines beside the first; the tooltip and the report have all."""

_SAID = {
    "weights": ("Only weights", "none"),
    "classes": ("Names classes, not imported", "low"),
    "commands": ("Names functions that run commands", "high"),
}


@dataclass(frozen=True)
class Fact:
    """One line: text, value at its right, how grave it is (a verdict), and all of it at length."""

    text: str
    value: str
    verdict: str
    tip: str


def facts_of(contents: Mapping[str, Any]) -> list[Fact]:
    """Put the contents of a model file, as a case records them, into lines, the gravest first."""
    said, verdict = _SAID.get(str(contents.get("verdict")), ("Contents", "none"))
    summary = plain(contents.get("summary", ""), 2000)
    count = int(contents.get("tensors", 0))
    facts = [Fact(said, f"{count:,} tensors", verdict, summary)]
    for row in contents.get("names", ()):
        if row.get("verdict") != "weights":
            name, place = plain(row.get("name", ""), 120), int(row.get("offset", 0))
            member = plain(row.get("member", ""), 120)
            tip = f"{name}\nNamed {int(row.get('count', 1)):,} times, first at byte {place:#x}"
            tip += f", in {member}" if member else ""
            grave = "high" if row.get("verdict") == "commands" else "none"
            facts.append(Fact(name, f"{place:#x}", grave, f"{tip}.\nIt was not imported or run."))
    odd = [Fact(plain(text, 300), "", "medium", plain(text, 2000)) for text in _odd(contents)]
    left = MAX_LINES - len(odd)
    hidden = len(facts) - 1 - max(left, 1)
    shown = facts[: 1 + max(left, 1)]
    if hidden > 0:
        shown.append(Fact(f"… and {hidden:,} more names", "", "none", summary))
    return [shown[0], *odd, *shown[1:]]


def _odd(contents: Mapping[str, Any]) -> list[str]:
    said = [str(text) for text in contents.get("anomalies", ())][:4]
    said += [
        f"Checksum does not match: {member}" for member in contents.get("checksum_errors", ())
    ][:3]
    said += [
        f"{row.get('name')}: {int(row.get('nan', 0)):,} NaN, {int(row.get('infinite', 0)):,} infinite"
        for row in contents.get("not_finite", ())
    ][:3]
    return said if contents.get("complete", True) else [*said, "Not followed to its end"]
