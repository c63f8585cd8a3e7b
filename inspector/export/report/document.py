"""The document that every report is made from; ``resources/schema/report.schema.json``.

Its branches keep apart what can be checked by anybody (``observed``), what Inspector makes of it
(``assessed``), what could not have been seen (``not_seen``) and what the analyst decided
(``decided``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import inspector
from inspector.case import (
    Case,
    scan_document,
    trigger_document,
    trigger_sentence,
    verdict_sentence,
)
from inspector.case.canonical import plain, valid_unicode
from inspector.case.cleaning_document import cleaning_document
from inspector.case.documents import FINDING_KEYS
from inspector.export.report.assessment import assessed
from inspector.export.report.decisions import decisions
from inspector.export.report.limits import not_seen
from inspector.export.report.model_file import model_file
from inspector.export.report.shadows import shadows, shadows_assessed
from inspector.export.report.suspects import suspects
from inspector.export.report.techniques import facts_of, techniques_for
from inspector.export.report.triggers import triggers

SCHEMA = "inspector/report/1"
_MOST_UNREADABLE = 100
_SETTINGS = (
    *("seed", "device", "layer", "limit", "arch", "classes"),
    *("gradients", "sketch", "conv_sketch"),
)

LIMITATIONS = (
    "Inspector never says “clean”. That nothing stood out shows only that nothing stood out.",
    "Poison, wrong labels and rare kinds of pictures look alike in the signals; a score does not "
    "tell them apart, and says nothing of who caused it.",
    "Poison that is distributed like natural samples is seen by no method.",
    "Scores rest on the network as it was rebuilt from its weights. What weights do not show "
    "(normalisation, some strides) was chosen by accuracy on the given labels.",
    "The journal's chain shows later changes of single entries. It does not stop somebody from "
    "writing the whole case anew: compare the head with one that was kept elsewhere.",
)


def report_document(
    case: Case, audits: Sequence[Mapping[str, Any]], now: datetime | None = None
) -> dict[str, Any]:
    """Gather what a report says.

    Parameters
    ----------
    case : Case
    audits : sequence of mapping
        The audits of the case as ``audits`` of `audit_document` lists them: this room cannot read
        them itself.
    now : datetime, optional
        When the report is made; now when None.

    Returns
    -------
    dict
        As in ``resources/schema/report.schema.json``: plain JSON values, valid Unicode.
    """
    scan, found = scan_document(case), trigger_document(case)
    entries = case.journal.entries()
    problems = [*case.problems, *case.journal.verify()]
    decided = {**decisions(case, entries), "audits": [dict(audit) for audit in audits]}
    file = model_file(case)
    tags = {row["name"]: row["count"] for row in decided["tags"]}
    facts = facts_of(scan, found, tags, file, bool(decided["exports"]))
    drawn = triggers(case, found)
    created = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    document = {
        "schema": SCHEMA,
        "inspector": inspector.__version__,
        "created": created.replace("+00:00", "Z"),
        "case": {
            "name": case.name,
            "path": str(case.path),
            "id": entries[0].hash if entries else None,
            "opened_first": entries[0].time if entries else None,
        },
        "journal": {
            "head": scan["journal_head"],
            "entries": len(entries),
            "whole": not problems,
            "problems": list(dict.fromkeys(problems)),
        },
        "summary": {
            "verdict": scan["verdict"],
            "calibrated": scan["calibrated"],
            "sentence": verdict_sentence(scan),
            "trigger_verdict": found["verdict"],
            "trigger_sentence": trigger_sentence(found),
        },
        "observed": {
            "evidence": _evidence(case),
            "model": scan["model"],
            "model_file": file,
            "dataset": _dataset(scan["dataset"]),
            "triggers": drawn,
            "shadows": shadows(found, drawn),
            "cleaning": cleaning_document(case)["checks"],
            "suspects": suspects(case),
        },
        "assessed": {
            **assessed(case, scan, found),
            "shadows": shadows_assessed(found),
            "techniques": techniques_for(facts),
        },
        "not_seen": not_seen(case, scan),
        "decided": decided,
        "methods": {
            "detectors": [_method(row) for row in scan["findings"]],
            "settings": _settings(case),
            "limits_raised": scan["limits_raised"],
            "sandbox": [str(layer) for layer in case.get("sandbox") or ()],
        },
        "limitations": list(LIMITATIONS),
    }
    return _clean(document)


def _evidence(case: Case) -> list[dict[str, Any]]:
    changed = {(item.role, item.path): why for item, why in case.changed_evidence()}
    return [
        {
            "role": item.role,
            "name": os.path.basename(item.path) or item.path,
            "path": item.path,
            "sha256": item.sha256,
            "size": item.size,
            "changed": changed.get((item.role, item.path)),
        }
        for item in case.evidence()
    ]


def _dataset(described: Mapping[str, Any]) -> dict[str, Any]:
    unreadable = described["unreadable"]
    return {
        **described,
        "unreadable": unreadable[:_MOST_UNREADABLE],
        "unreadable_total": len(unreadable),
    }


def _method(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: finding[name] for name in FINDING_KEYS}


def _settings(case: Case) -> dict[str, Any]:
    """Return what the scan was asked for, and where it ran."""
    asked = case.get("scan") or {}
    said = {name: asked[name] for name in _SETTINGS if asked.get(name) is not None}
    signals = case.get("signals") or {}
    if signals.get("device"):
        said["device"] = signals["device"]
    return said


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, Mapping):
        return {valid_unicode(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    return plain(value)
