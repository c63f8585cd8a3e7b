"""What a case keeps of a detector run: plain values, with verdicts that calibration supports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inspector.api import VERDICTS, Finding, Verdict
from inspector.detectors.registry import Entry
from inspector.parameters import changed, settings_said


def new_record(entry: Entry, parameters: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the record of a run before it has started; see `runner.Outcome` for its keys."""
    info = entry.info
    defaults = {one.name: one.default for one in info.parameters} if info else {}
    values = {**defaults, **parameters}
    return {
        "id": entry.id,
        "title": info.title if info else entry.id,
        "version": info.version if info else "",
        "origin": entry.origin,
        "plugin_sha256": entry.sha256,
        "parameters": values,
        "in_place_of": changed(info, values) if info else {},
        "seed": seed,
        "classes": [],
        "verdict": "none",
        "caveats": [],
        "seconds": 0.0,
        "status": "done",
        "reason": "",
        "details": "",
    }


def settings_caveats(record: Mapping[str, Any]) -> list[str]:
    """Say what other values than the defaults mean for what a detector found."""
    told = settings_said(record)
    if not told:
        return []
    if record["origin"] != "bundled":
        return [f"Run {told}. What its author says of it holds for the defaults."]
    return [
        f"Run {told}. How often it finds poison, how often it is wrong, and from where on it gives a "
        "verdict were measured with the defaults only; with these values nobody knows."
    ]


def outcome_of(finding: Finding) -> dict[str, Any]:
    """Return classes, verdict and caveats of a finding, verdicts lowered to what they may be."""
    classes = [
        {
            "index": int(result.index),
            "statistic": number_or_none(result.statistic),
            "p_value": number_or_none(result.p_value),
            "verdict": _capped(result.verdict),
        }
        for result in finding.classes
    ]
    caveats = [str(text) for text in finding.caveats]
    if "high" in (finding.verdict, *(result.verdict for result in finding.classes)):
        caveats.append(
            'Its verdict "high" counts as "medium": only a verified sample supports more.'
        )
    return {"classes": classes, "verdict": _capped(finding.verdict), "caveats": caveats}


def _capped(verdict: Verdict) -> Verdict:
    return min(verdict, "medium", key=VERDICTS.index)


def number_or_none(value: float | None) -> float | None:
    """Return a finite number as such; JSON has no NaN and no infinity."""
    return float(value) if value is not None and np.isfinite(value) else None
