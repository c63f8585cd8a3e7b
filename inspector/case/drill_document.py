"""What drills measured, as other programs and people read it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from inspector.case.canonical import valid_unicode
from inspector.case.document_parts import time_span
from inspector.case.folder import Case
from inspector.case.shapes import readable
from inspector.parameters import assignments

SCHEMA = "inspector/drill/1"

_MEASURED = (
    *("success", "accuracy", "accuracy_before", "auroc", "tpr_at_1", "target_rank", "verdict"),
    *("found", "planted", "covers", "trials", "held_out", "seconds"),
)
_COLUMNS = (
    *("attack", "target_name", "size", "opacity", "rate", "learning_rate", "architecture"),
    *("epochs", "images", "seed"),
)
_AUDIT = ("audit", "audit_p_value", "audit_selected")

CAVEATS = (
    "The held-out pictures were kept out of this training; the case's own model may have seen them.",
    "Poison that was in the data before counts as not planted here.",
)


def drill_document(case: Case, keys: Sequence[str] | None = None) -> dict[str, Any]:
    """Return drills of a case, all without ``keys``, as ``drill --json`` prints them."""
    kept = case.kept("drill")
    found = {row["index"]: row for row in (case.get("outcome") or {}).get("classes", [])}
    drills = readable(
        kept if keys is None else keys,
        lambda key: _drill(key, kept[key], case.class_names, found),
        drill_sentence,
    )
    return {"schema": SCHEMA, "drills": drills}


def _drill(
    key: str, one: Mapping[str, Any], names: Sequence[str], found: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    target, caveats = int(one["settings"]["target"]), list(CAVEATS)
    if found.get(target, {}).get("verdict") in ("medium", "high"):
        caveats.append(
            "The target class stood out in the scan before anything was planted: that it stands "
            "out here proves little."
        )
    if one["left_out"]:
        said = ", ".join(valid_unicode(names[i]) for i in one["left_out"] if i < len(names))
        caveats.append(
            f"Classes that stood out in the scan were left out, so that what may be in them does "
            f"not hide what was planted: {said}."
        )
    if told := assignments(one.get("detector_parameters") or {}):
        caveats.append(f"The detectors ran as in the case's scan, with {told}.")
    return {
        "key": key,
        "attack": one["attack"],
        "clean_label": one["clean_label"],
        "target": target,
        "target_name": valid_unicode(names[target]) if target < len(names) else str(target),
        "settings": {"audit": 0, **one["settings"]},
        "left_out": one["left_out"],
        "parameters": one["parameters"],
        "budget": one["budget"],
        **{name: one[name] for name in _MEASURED},
        "audit": one.get("audit"),
        "caveats": caveats,
    }


def drill_budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what drills will do and take, before they are done."""
    count, kept = budget["drills"], budget["kept"]
    attacks = "1 attack is" if count == 1 else f"{count:,} attacks are"
    already = f" {kept:,} more are in the case already." if kept else ""
    time = time_span(float(budget["seconds"]))
    return (
        f"{attacks} planted in copies of {budget['images']:,} pictures and learnt by copies of the "
        f"model, {budget['epochs']} epochs each: about {time} of training in all; planting and "
        f"scanning come on top.{already}"
    )


def drill_sentence(drill: Mapping[str, Any]) -> str:
    """Put one drill into words."""
    success = drill["success"]
    works = "could not be tried" if success is None else f"works on {success:.0%} of the pictures"
    rank = "no rank" if drill["target_rank"] is None else f"rank {drill['target_rank']}"
    end = (
        "This scan would have found it."
        if drill["found"]
        else "This scan would not have pointed at it."
    )
    return (
        f"The planted {drill['attack']} {works} shown to the model, which gets {drill['accuracy']:.1%} "
        f"of the held-out pictures right. Planted samples: AUROC {drill['auroc']:.3f}, "
        f"{drill['tpr_at_1']:.0%} found at 1 % false positives; class {drill['target_name']}: {rank}, "
        f"verdict {drill['verdict']}. {_audit(drill.get('audit'))}{end}"
    )


def _audit(audit: Mapping[str, Any] | None) -> str:
    if not audit:
        return ""
    p_value, selected = audit["p_value"], audit["selected"]
    told = "no p-value" if p_value is None else f"p {p_value:.2g}"
    if selected is not None:
        told += (
            f", {selected:.0%} of the planted samples selected at a false discovery rate of 10 %"
        )
    return f"With {audit['verified']:,} verified: {told}. "


def write_drill_csv(drills: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    """Write one line for each drill: settings, then what was measured."""
    writer = csv.writer(file)
    writer.writerow((*_COLUMNS, *_MEASURED, *_AUDIT))
    for drill in drills:
        known = {**drill["settings"], **drill}
        audit = drill["audit"] or {}
        cells = [known[name] for name in (*_COLUMNS, *_MEASURED)]
        cells += [audit.get("verified", 0), audit.get("p_value"), audit.get("selected")]
        writer.writerow("" if cell is None else _harmless(cell) for cell in cells)


def _harmless(cell: object) -> object:
    """Keep the name of a class from being taken for a formula by a spreadsheet."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell
