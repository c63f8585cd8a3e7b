"""What a scan and a trigger search concluded, as documents that other programs read.

Their shapes are a contract: ``resources/schema/scan.schema.json`` and ``trigger.schema.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import inspector
from inspector.case.canonical import plain, valid_unicode
from inspector.case.checkpoints import checkpoint_rows
from inspector.case.evidence import Look
from inspector.case.findings import VERDICTS
from inspector.case.folder import Case
from inspector.case.table import SampleTable
from inspector.case.trigger_choice import SEARCH
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
    "seed",
    "status",
    "reason",
    "seconds",
    "verdict",
    "caveats",
)
"""What documents and reports say of one detector's run."""

_TRIGGER_MORE = (
    "held_out",
    "controls",
    "stability",
    "budgets",
    "budget",
    "margin",
    "source",
    "notes",
    "stopped_early",
)
"""What a trigger's row has beyond the contract's first ten keys, where the search said it."""

_UNIVERSAL = "universal-perturbation"
_BASELINE_BUDGET = 8
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
    findings = [_finding(finding) for finding in case.findings().values()]
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
    return _clean(document)


def _limits_raised(case: Case) -> list[dict[str, Any]]:
    """Return which limits on hostile files an analyst raised, by name."""
    rows = case.kept("limit raised").items()
    return [
        {"name": name, "value": row["value"], "default": row["default"], "about": row["about"]}
        for name, row in rows
        if isinstance(row, dict) and {"value", "default", "about"} <= row.keys()
    ]


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
                "name": _name(case, trigger["index"]),
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
            }
        )
        works = interval is not None and interval[0] >= 0.5
        judged = ("medium" if works else "low") if significant else "none"
        verdicts.append(trigger.get("verdict", judged))
    document: dict[str, Any] = {"classes": rows, "verdict": worst(verdicts)}
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
    return _clean(document)


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


def verdict_sentence(document: Mapping[str, Any]) -> str:
    """Put the verdict of a scan document into words; nothing found is never called clean."""
    dataset, verdict = document["dataset"], document["verdict"]
    done = [row for row in document["findings"] if row["status"] == "done"]
    if not done:
        return "Nothing was assessed: no detector has finished on this case."
    looked = (
        f"{len(done)} {_plural(len(done), 'detector')} looked at {dataset['assessed']:,} of "
        f"{dataset['count']:,} samples"
    )
    suspects = [row["name"] for row in document["classes"] if row["verdict"] == verdict]
    where = f" in {_plural(len(suspects), 'class')} {_listed(suspects)}" if suspects else ""
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


def trigger_sentence(document: Mapping[str, Any]) -> str:
    """Put the verdict of a trigger document into words."""
    rows = document["classes"]
    if not rows:
        return "No trigger was searched for yet."
    found = [row["name"] for row in rows if row["significant"]]
    judged = {row["index"] for row in rows if not row.get("stopped_early")}
    early = len({row["index"] for row in rows} - judged)
    open_ = f" Stopped early and not judged: {early} {_plural(early, 'class')}." if early else ""
    if not judged:
        return open_.strip()
    if not found:
        return (
            f"No trigger found for {len(judged)} {_plural(len(judged), 'class')}. That does not show "
            "that the model is clean: clean-label and sinusoid backdoors escape this search."
            f"{open_}"
        )
    return (
        f"Verdict {document['verdict']}: an unusually small pattern flips predictions to "
        f"{_plural(len(set(found)), 'class')} {_listed(sorted(set(found)))}.{open_}"
    )


def worst(verdicts: Iterable[str]) -> str:
    """Return the gravest of some verdicts; "none" of none."""
    return max(verdicts, key=VERDICTS.index, default="none")


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


def _name(case: Case, index: int) -> str:
    return case.class_names[index] if 0 <= index < len(case.class_names) else str(index)


def _uri(case: Case, row: int) -> str | None:
    try:
        return case.locator(row)
    except (CaseError, IndexError):
        return None


def _clean(value: Any) -> Any:
    """Return a document that every JSON parser reads: valid Unicode, None for NaN."""
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, Mapping):
        return {valid_unicode(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    return plain(value)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + ("es" if word.endswith("s") else "s")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
