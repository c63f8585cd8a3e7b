"""Classes beside shadow networks: what was trained, and a strip of dots for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inspector.case.shadow_document import HOLDS, compared_rows, compared_sentence, network_sentence
from inspector.export.report.strips import axis_of, scale_picture, strip_picture

_MOST = 40
"""Classes of a method that are drawn and listed: the most deviating ones."""


def shadows(found: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what classes were compared with, and draw each class beside it.

    Parameters
    ----------
    found : mapping
        `trigger_document` of the case.
    rows : sequence of dict
        ``observed.triggers``: of those that were compared ``shadows`` is given a ``strip``.

    Returns
    -------
    dict or None
        ``networks`` (None where it is not known what they were) and ``methods``: method, count,
        classes, threshold, axis, scale. None when no class was compared.
    """
    told = found.get("shadows")
    networks = told and {name: value for name, value in told.items() if name != "verdict"}
    methods = []
    for method, same in compared_rows(rows).items():
        beside = [row["shadows"] for row in same]
        axis = axis_of(beside)
        for own in rows:
            if str(own["method"]) == method and own.get("shadows"):
                own["shadows"] = {**own["shadows"], "strip": None}
        for row in same[:_MOST]:
            words = f"{row['name']} beside shadow networks, {method}"
            row["shadows"]["strip"] = strip_picture(row["shadows"], axis, words)
        methods.append(
            {
                "method": method,
                "count": max(len(one.get("others") or ()) for one in beside),
                "classes": len(same),
                "threshold": beside[0]["threshold"],
                "axis": list(axis),
                "scale": scale_picture(axis, f"scale of the deviations, {method}"),
            }
        )
    return {"networks": networks, "methods": methods} if methods else None


def shadows_assessed(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the comparison says: ``verdict`` (None: not judged as a whole) and ``sentences``."""
    compared = compared_rows(found["classes"])
    if not compared:
        return None
    networks = found.get("shadows") or {}
    sentences = [f"{method}: {compared_sentence(same)}" for method, same in compared.items()]
    verdict = networks.get("verdict")
    judged = [network_sentence(networks)] if verdict else []
    return {"verdict": verdict, "sentences": [*judged, *sentences, HOLDS]}


def shadow_table(report: Mapping[str, Any], method: str) -> list[dict[str, Any]]:
    """Return the rows of one method, the most deviating first, with what Inspector makes of them.

    Parameters
    ----------
    report : mapping
        From `report_document`.
    method : str

    Returns
    -------
    list of dict
        ``name``, ``significant``, and what is in ``shadows`` of the trigger.
    """
    opinion = {
        (row["index"], row["method"]): row["significant"] for row in report["assessed"]["triggers"]
    }
    same = compared_rows(report["observed"]["triggers"]).get(method, [])
    return [
        {
            "name": row["name"],
            "significant": opinion.get((row["index"], row["method"]), False),
            **row["shadows"],
        }
        for row in same[:_MOST]
    ]
