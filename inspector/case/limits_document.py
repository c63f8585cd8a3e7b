"""What could not have been seen, as other programs and people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case.canonical import valid_unicode
from inspector.case.folder import Case
from inspector.case.shapes import readable
from inspector.parameters import assignments

SCHEMA = "inspector/limits/1"


CANARY_WORDS = {
    "features": "samples of the class moved",
    "others": "samples of other classes moved in",
    "gradients": "only gradients moved",
}
"""What stood for poison, in a few words."""


def limits_document(case: Case) -> dict[str, Any]:
    """Return the measured limits of every class, as ``limits --json`` prints them.

    ``classes`` has what was measured with samples of the class itself, one row for each class;
    ``canaries`` what was measured with other stand-ins for poison.
    """
    rows = readable(
        case.kept("limits").items(),
        lambda item: _row(case, int(item[0]), "features", item[1]),
        limits_sentence,
    )
    further = readable(
        case.kept("canaries").items(),
        lambda item: _row(case, int(item[0].partition("/")[0]), item[0].partition("/")[2], item[1]),
        limits_sentence,
    )
    rows.sort(key=lambda row: row["index"])
    further.sort(key=lambda row: (row["index"], list(CANARY_WORDS).index(row["canary"])))
    return {"schema": SCHEMA, "classes": rows, "canaries": further}


def _row(case: Case, index: int, canary: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    names = case.class_names
    cells = [
        {
            "share": cell["share"],
            "distance": cell["distance"],
            "runs": cell["runs"],
            "hits": cell["hits"],
            "power": cell["hits"] / cell["runs"] if cell["runs"] else None,
            "low": cell["interval"][0],
            "high": cell["interval"][1],
            "found": cell["found"],
        }
        for cell in kept["cells"]
    ]
    return {
        "index": index,
        "name": valid_unicode(names[index]) if index < len(names) else str(index),
        "canary": canary,
        "members": kept["members"],
        "verified": kept["verified"],
        "smallest_group": kept["smallest_group"],
        "directions": kept["width"],
        "by_share": kept["by_share"],
        "cells": cells,
        "parameters": dict(kept.get("parameters") or {}),
    }


def limits_sentence(row: Mapping[str, Any]) -> str:
    """Put the limits of one class into words."""
    seen = [
        f"at {one['share']:.1%} of the class from a distance of {one['d80']:.1f}"
        for one in row["by_share"]
        if one["d80"] is not None
    ]
    unseen = [f"{one['share']:.1%}" for one in row["by_share"] if one["d80"] is None]
    canary = row["canary"]
    told = assignments(row["parameters"])
    pipeline = f"this pipeline (with {told})" if told else "this pipeline"
    of = "" if canary == "features" else f" ({CANARY_WORDS[canary]})"
    text = (
        f"With {row['verified']:,} verified of {row['members']:,}, {pipeline} finds 4 of 5 "
        f"planted groups{of} {', '.join(seen)}"
        if seen
        else f"With {row['verified']:,} verified of {row['members']:,}, {pipeline} finds too few "
        f"planted groups{of} at any share and distance tried"
    )
    if unseen and seen:
        text += f"; groups of {', '.join(unseen)} pass at every distance tried"
    return (
        f"{text}. Groups under {row['smallest_group']:,} cannot be significant at all, and no method "
        "sees poison that looks like clean samples to the model."
    )
