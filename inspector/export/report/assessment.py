"""What Inspector makes of what it saw: verdicts, each with its error rate or without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inspector.case import Case

_UNCALIBRATED = "uncalibrated"
LEVEL = 0.05
"""Family-wise error rate that the verdict "high" keeps."""


def assessed(case: Case, scan: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return verdicts of the classes and of the triggers.

    Parameters
    ----------
    case : Case
    scan, found : mapping
        `scan_document` and `trigger_document`.

    Returns
    -------
    dict
        ``classes``: index, name, count, tagged, statistic, p_value, verdict, error_rate (words),
        and after an audit p_value_holm, verified, selected;
        ``triggers``: index, name, method, significant, p_value; ``error_rate``: one sentence;
        ``proposals``: what was proposed for tagging, and whether an analyst took it up.
    """
    tagged = _tagged_by_class(case)
    return {
        "error_rate": _sentence(scan),
        "classes": [
            {
                **row,
                "tagged": int(tagged[row["index"]]) if row["index"] < len(tagged) else 0,
                "error_rate": _error_rate(row["p_value"]),
            }
            for row in scan["classes"]
        ],
        "triggers": [
            {name: row[name] for name in ("index", "name", "method", "significant", "p_value")}
            for row in found["classes"]
        ],
        "proposals": [
            {
                "number": proposal.number,
                "tag": proposal.tag,
                "count": proposal.count,
                "source": proposal.source,
                "state": proposal.state,
            }
            for proposal in case.proposals.all()
        ],
    }


def _error_rate(p_value: float | None) -> str:
    if p_value is None:
        return _UNCALIBRATED
    return f"{max(p_value, 1e-4):.2g} by chance" if p_value >= 1e-4 else "below 0.0001 by chance"


def _sentence(scan: Mapping[str, Any]) -> str:
    if not scan["calibrated"]:
        return (
            "Uncalibrated: no randomly drawn samples were verified one by one, so these verdicts "
            "carry no error rate and stop at “medium”."
        )
    tested = sum(row["p_value"] is not None for row in scan["classes"])
    return (
        f"Calibrated on verified samples for {tested} of {len(scan['classes'])} classes. The p-value "
        f"of a class is the chance of a statistic as large if it held no group that its verified "
        f"sample lacks; “high” is given where, over all tested classes together, a false one comes "
        f"in at most {LEVEL:.0%} of scans."
    )


def _tagged_by_class(case: Case) -> Any:
    if not case.n or not case.has_array("labels"):
        return np.zeros(0, np.intp)
    labels, tagged = np.asarray(case.array("labels")), case.tags.tagged()
    known = tagged & (labels >= 0) & (labels < len(case.class_names))
    return np.bincount(labels[known], minlength=len(case.class_names))
