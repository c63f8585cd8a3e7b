"""What a scan concluded, as other programs and people read it.

The shape of the document is a contract: ``resources/schema/scan.schema.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import inspector
from inspector.case.checkpoints import checkpoint_rows
from inspector.case.document_parts import clean, findings_in_order, listed, plural, worst
from inspector.case.evidence import Look
from inspector.case.folder import Case
from inspector.case.table import SampleTable
from inspector.errors import CaseError

SCHEMA = "inspector/scan/1"

_MODEL = (
    "architecture",
    "family",
    "num_classes",
    "in_channels",
    "accuracy",
    "layer",
    "head",
    "preprocess",
    "notes",
)
FINDING_KEYS = (
    "id",
    "title",
    "version",
    "origin",
    "plugin_sha256",
    "parameters",
    "in_place_of",
    "seed",
    "status",
    "reason",
    "seconds",
    "verdict",
    "caveats",
)
"""What documents and reports say of one detector's run."""

_UNCALIBRATED = (
    "The ranking is not calibrated: no randomly drawn samples were verified one by one, so no "
    "error rate is known and no verdict goes beyond “medium”."
)
_NOTHING_RAN = "No detector has finished on this case, so its verdict says nothing."


def scan_document(case: Case) -> dict[str, Any]:
    """Return what a scan found, as ``scan --json`` prints it.

    The engine's client keeps what the detectors concluded together under the setting "outcome":
    ``classes``, ``verdict``, ``caveats`` and ``calibrated``. Without it the class table is counted
    from the labels and the verdict is the worst of the findings.
    """
    outcome = case.get("outcome") or {}
    findings = [_finding(finding) for finding in findings_in_order(case).values()]
    done = [finding for finding in findings if finding["status"] == "done"]
    classes = [_class(row) for row in outcome.get("classes", ())] or _counted(case)
    calibrated = bool(outcome.get("calibrated", False))
    caveats = [str(line) for line in outcome.get("caveats", ())]
    if not done:
        caveats.append(_NOTHING_RAN)
    elif not calibrated and not any("calibrated" in line for line in caveats):
        caveats.append(_UNCALIBRATED)
    looks = case.watch.look()
    caveats += _stale(case)
    document = {
        "schema": SCHEMA,
        "inspector": inspector.__version__,
        "case": str(case.path),
        "journal_head": case.journal.head,
        "evidence": [_evidence(case, look) for look in looks],
        "model": _model(case),
        "dataset": _dataset(case),
        "classes": classes,
        "verdict": outcome.get("verdict") or worst(row["verdict"] for row in done),
        "calibrated": calibrated,
        "caveats": caveats,
        "findings": findings,
        "signature": case.get("signature"),
        "checkpoints": [
            {key: row[key] for key in ("path", "sha256", "mean_loss", "fitted")}
            for row in checkpoint_rows(case)
        ],
        "limits_raised": _limits_raised(case),
    }
    return clean(document)


def _limits_raised(case: Case) -> list[dict[str, Any]]:
    """Return which limits on hostile files an analyst raised, by name."""
    rows = case.kept("limit raised").items()
    return [
        {"name": name, "value": row["value"], "default": row["default"], "about": row["about"]}
        for name, row in rows
        if isinstance(row, dict) and {"value", "default", "about"} <= row.keys()
    ]


def verdict_sentence(document: Mapping[str, Any]) -> str:
    """Put the verdict of a scan document into words; nothing found is never called clean."""
    dataset, verdict = document["dataset"], document["verdict"]
    done = [row for row in document["findings"] if row["status"] == "done"]
    if not done:
        return "Nothing was assessed: no detector has finished on this case."
    looked = (
        f"{len(done)} {plural(len(done), 'detector')} looked at {dataset['assessed']:,} of "
        f"{dataset['count']:,} samples"
    )
    suspects = [row["name"] for row in document["classes"] if row["verdict"] == verdict]
    where = f" in {plural(len(suspects), 'class')} {listed(suspects)}" if suspects else ""
    known = "" if document["calibrated"] else " The error rate is not known (no audit)."
    if verdict == "none":
        return (
            f"Nothing stood out where {looked}. That does not show that the data are clean: "
            f"a small, clean-label or adaptive poison can pass.{known}"
        )
    strength = {"low": "weak", "medium": "clear", "high": "strong and calibrated"}[verdict]
    seen = (
        "its random verified sample lacks a sub-population that it contains"
        if verdict == "high"
        else "samples stand out from their class as they do in no other"
    )
    told = (
        "their pictures (a mark in common), their labels, and a trigger search"
        if verdict == "high"
        else "their pictures, their labels, and an audit of the class"
    )
    return (
        f"Verdict {verdict}: {strength} signs{where}; {looked}. Observed: {seen}. What it may mean: "
        "poison, wrong labels or a rare kind of picture; what tells them apart is to look at the "
        f"top of the ranking: {told}.{known}"
    )


def _model(case: Case) -> dict[str, Any]:
    recorded = case.get("model") or {}
    inner = recorded.get("spec") or {}
    model = {key: recorded.get(key, inner.get(key)) for key in _MODEL}
    layer = (case.get("signals") or {}).get("layer")
    return {
        **model,
        "layer": layer,
        "notes": model["notes"] or [],
        "candidates": recorded.get("candidates") or [],
        "tried": recorded.get("tried") or [],
        "output": (recorded.get("output") or {}).get("kind", "logits"),
        "plugin": recorded.get("plugin"),
        "spec": _spec(case, inner),
    }


def _spec(case: Case, model: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where the model spec lies in the case, and what of it was given, not measured."""
    written = case.get("model_spec")
    if not written:
        return None
    given = model.get("stated") or {}
    return {
        "file": str(case.path / written["file"]),
        "sha256": written["sha256"],
        "given": {"name": given["name"], "sha256": given["sha256"], "stated": given["stated"]}
        if given.get("sha256")
        else None,
    }


def _evidence(case: Case, look: Look) -> dict[str, Any]:
    item = look.item
    known = {"role": item.role, "path": item.path, "sha256": item.sha256, "size": item.size}
    known["state"] = look.state
    contents = (case.get("model") or {}).get("contents") if item.role == "model" else None
    if item.role == "checkpoint":
        read = {row["sha256"]: row["contents"] for row in checkpoint_rows(case)}
        contents = read.get(item.sha256)
    return {**known, "contents": contents} if contents else known


def _stale(case: Case) -> list[str]:
    """Say which results belong to bytes that lie there no more."""
    return [
        f"The {role} was changed on disk after it was read. Stale, since they belong to the former "
        f"bytes: {', '.join(names) or 'nothing so far'}."
        for role, names in case.watch.stale().items()
    ]


def _dataset(case: Case) -> dict[str, Any]:
    recorded = case.get("dataset") or {}
    unreadable = sorted(case.unreadable().items())
    return {
        "format": recorded.get("format"),
        "count": case.n,
        "assessed": int(np.count_nonzero(SampleTable(case).assessed)),
        "class_names": list(case.class_names),
        "unreadable": [
            {"index": row, "uri": _uri(case, row), "reason": reason} for row, reason in unreadable
        ],
        "notes": recorded.get("notes") or [],
    }


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {key: finding.get(key) for key in FINDING_KEYS}
    return {
        **chosen,
        "plugin_sha256": chosen["plugin_sha256"] or None,
        "parameters": chosen["parameters"] or {},
        "in_place_of": chosen["in_place_of"] or {},
        "status": chosen["status"] or "done",
        "verdict": chosen["verdict"] or "none",
        "caveats": [str(line) for line in chosen["caveats"] or ()],
        "classes": [
            {key: row.get(key) for key in ("index", "statistic", "p_value")}
            | {"verdict": row.get("verdict") or "none"}
            for row in finding.get("classes") or ()
        ],
    }


def _class(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("index", "name", "count", "statistic", "p_value", "verdict")
    audited = ("p_value_holm", "verified", "selected")
    return {key: row.get(key) for key in keys} | {key: row[key] for key in audited if key in row}


def _counted(case: Case) -> list[dict[str, Any]]:
    labels = case.array("labels") if case.has_array("labels") else np.empty(0, np.int32)
    known = labels[(labels >= 0) & (labels < len(case.class_names))]
    counts = np.bincount(known, minlength=len(case.class_names))
    empty = {"statistic": None, "p_value": None, "verdict": "none"}
    return [
        {"index": index, "name": name, "count": int(counts[index]), **empty}
        for index, name in enumerate(case.class_names)
    ]


def _uri(case: Case, row: int) -> str | None:
    try:
        return case.locator(row)
    except (CaseError, IndexError):
        return None
