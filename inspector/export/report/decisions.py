"""What the analyst decided: tags, who put them there, when and why, and what was exported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from inspector.case import Case, Entry
from inspector.case.tags import Reason

_ACTS = (
    "tag",
    "untag",
    "undo",
    "redo",
    "note",
    "proposal accepted",
    "proposal rejected",
    "exported",
    "quarantined",
)
_EXPORTS = ("exported", "quarantined")
_MOST_ACTS = 500
_MOST_SAMPLES = 100
"""Samples named of each group."""


def decisions(case: Case, entries: Iterable[Entry]) -> dict[str, Any]:
    """Return the decisions of a case.

    Returns
    -------
    dict
        ``tags`` (name, count), ``acts`` (the newest `_MOST_ACTS`, oldest first) of ``acts_total``,
        ``groups`` (tagged samples by the act that tagged them), ``notes`` on the case, and
        ``exports``.
    """
    entries = list(entries)
    acts = [_act(entry) for entry in entries if entry.act in _ACTS]
    return {
        "tags": [{"name": name, "count": count} for name, count in case.tags.counts().items()],
        "acts": acts[-_MOST_ACTS:],
        "acts_total": len(acts),
        "groups": _groups(case),
        "notes": [
            {"seq": note.seq, "time": note.time, "user": note.user, "text": note.text}
            for note in case.notes.on_case()
        ],
        "exports": [_export(entry) for entry in entries if entry.act in _EXPORTS],
    }


def _groups(case: Case) -> list[dict[str, Any]]:
    """Return the tagged samples, together where one act put the same tag on them."""
    tagged = np.flatnonzero(case.tags.tagged()).tolist() if case.n else []
    members: dict[tuple[int, str], list[int]] = {}
    reasons: dict[tuple[int, str], Reason] = {}
    for row, given in case.tags.reasons(tagged).items():
        for reason in given:
            members.setdefault((reason.seq, reason.tag), []).append(row)
            reasons[reason.seq, reason.tag] = reason
    groups = []
    for key in sorted(members):
        reason, rows = reasons[key], members[key]
        named = rows[:_MOST_SAMPLES]
        groups.append(
            {
                "seq": reason.seq,
                "tag": reason.tag,
                "user": reason.user,
                "time": reason.time,
                "source": reason.source,
                "note": reason.note,
                "count": len(rows),
                "samples": [
                    {"index": row, "uri": uri} for row, uri in zip(named, _uris(case, named))
                ],
            }
        )
    return groups


def _act(entry: Entry) -> dict[str, Any]:
    details = entry.details
    tag = details.get("tag")
    listed = details.get("rows")
    count = details.get("count", details.get("removed"))
    if count is None and isinstance(listed, list):
        count = len(listed)
    return {
        "seq": entry.seq,
        "time": entry.time,
        "user": entry.user,
        "act": entry.act,
        "tag": tag if isinstance(tag, str) else None,
        "count": count if isinstance(count, int) else None,
        "source": str(details.get("source", "") or ""),
        "note": str(details.get("note", details.get("why", "")) or ""),
    }


def _export(entry: Entry) -> dict[str, Any]:
    details = entry.details
    return {
        "seq": entry.seq,
        "time": entry.time,
        "quarantine": entry.act == "quarantined",
        "target": str(details.get("target", "")),
        "kept": details.get("kept"),
        "removed": details.get("removed"),
        "tags": [str(tag) for tag in details.get("tags") or ()],
        "manifest_sha256": details.get("manifest_sha256"),
    }


def _uris(case: Case, rows: list[int]) -> list[str | None]:
    if not rows or not case.has_array("locator_offsets"):
        return [None] * len(rows)
    return list(case.samples.locators(rows))
