"""Names that others have for what was found: MITRE ATLAS, NIST AI 100-2, OWASP, CWE.

``resources/techniques.json`` holds the names, with the release that they were taken from, and the
rules that say which finding is called what. Whether a rule holds in a case is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from inspector import places

_GRAVE = ("medium", "high")


@cache
def technique_table() -> dict[str, Any]:
    """Return the table: ``frameworks``, ``techniques``, ``retired`` and ``rules``."""
    text = (places.resources() / "techniques.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def facts_of(
    scan: Mapping[str, Any],
    triggers: Mapping[str, Any],
    tags: Mapping[str, int],
    model_file: Mapping[str, Any],
    exported: bool,
) -> set[str]:
    """Return which conditions of the rules hold.

    Parameters
    ----------
    scan, triggers : mapping
        `scan_document` and `trigger_document`.
    tags : mapping of str to int
        Number of samples by tag.
    model_file : mapping
        ``contents``, ``signature`` and ``refused`` as the report has them.
    exported : bool
        Whether a cleaned dataset was written.
    """
    found = any(row["significant"] for row in triggers["classes"])
    poison = tags.get("poison", 0) > 0
    contents, signature = model_file.get("contents") or {}, model_file.get("signature") or {}
    notes = " ".join(scan["dataset"]["notes"]).lower()
    verdict = signature.get("comparison")
    files = [contents, *((row["contents"] or {}) for row in model_file.get("refused") or ())]
    holds = {
        "class-verdict": any(row["verdict"] in _GRAVE for row in scan["classes"]),
        "trigger-found": found,
        "tagged-poison": poison,
        "tagged-poison-and-trigger": poison and found,
        "file-runs-code": any(file.get("verdict") == "commands" for file in files),
        "file-malformed": any(
            file.get("anomalies") or file.get("checksum_errors") for file in files
        ),
        "links-in-data": "link" in notes.split() or "links" in notes.split(),
        "signature-differs": verdict == "differ",
        "signature-matches": verdict == "match",
        "cleaned-export": exported,
    }
    return {name for name, true in holds.items() if true}


def techniques_for(facts: set[str]) -> list[dict[str, str]]:
    """Return the names that the facts call for, each once with every reason, in the table's order.

    Returns
    -------
    list of dict
        ``id``, ``name``, ``framework``, ``release`` and ``because``.
    """
    table = technique_table()
    reasons: dict[str, list[str]] = {}
    for rule in table["rules"]:
        if rule["when"] in facts:
            for technique in rule["techniques"]:
                reasons.setdefault(technique, []).append(rule["because"])
    return [
        {
            "id": technique,
            "name": described["name"],
            "framework": table["frameworks"][described["framework"]]["name"],
            "release": table["frameworks"][described["framework"]]["release"],
            "because": " ".join(reasons[technique]),
        }
        for technique, described in table["techniques"].items()
        if technique in reasons
    ]
