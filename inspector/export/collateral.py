"""What an export would take along: per class, per cluster, and how many good samples perhaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import inspector
from inspector.case import Case
from inspector.case.canonical import valid_unicode
from inspector.export.false_removals import estimated_false_removals
from inspector.intake.datasets.names import listing

SCHEMA = "inspector/export-preview/1"
CLUSTERS = "activation-clustering"
ERROR_RATE = 0.05

_NO_AUDIT = (
    "How many good samples would go cannot be estimated without an audit: draw random samples "
    "of each class and judge them one by one (Audit panel, or `inspector audit`)."
)


def collateral_preview(
    case: Case,
    drop: NDArray[np.bool_],
    *,
    tags: Sequence[str] = (),
    error_rate: float = ERROR_RATE,
) -> dict[str, Any]:
    """Say what an export would take along, before anything is written.

    Parameters
    ----------
    case : Case
        A scanned case.
    drop : ndarray, shape (n,), bool
        Samples to leave out.
    tags : sequence of str
        Tags that chose them, for the record.
    error_rate : float
        Chance with which a good sample may pass for a suspect one.

    Returns
    -------
    dict
        As in ``resources/schema/export-preview.schema.json``.
    """
    labels = np.asarray(case.array("labels"))
    names = [valid_unicode(name) for name in case.class_names]
    classes = _classes(case, labels, drop, names, error_rate)
    clusters = _clusters(case, labels, drop, names)
    total, removed = len(labels), int(np.count_nonzero(drop))
    return {
        "schema": SCHEMA,
        "inspector": inspector.__version__,
        "case": valid_unicode(str(case.path)),
        "journal_head": case.journal.head,
        "tags": [valid_unicode(tag) for tag in tags],
        "error_rate": error_rate,
        "samples": {"before": total, "removed": removed, "after": total - removed},
        "classes": classes,
        "clusters": clusters,
        "clusters_from": CLUSTERS if clusters else None,
        "balance": {side: _balance(classes, side) for side in ("before", "after")},
        "false_removals": _false_removals(classes, drop, error_rate),
        "notes": _notes(case, classes, drop),
    }


def _classes(
    case: Case,
    labels: NDArray[Any],
    drop: NDArray[np.bool_],
    names: list[str],
    error_rate: float,
) -> list[dict[str, Any]]:
    p_values = _array(case, "p_value", np.full(len(labels), np.nan, np.float32))
    verified = _array(case, "verified", np.zeros(len(labels), bool)).astype(bool)
    kept_total = int(np.count_nonzero(~drop))
    rows = []
    for index, (name, inside) in enumerate(zip(names, _members(labels, len(names)))):
        gone, checked = drop[inside], verified[inside]
        before, removed = len(inside), int(gone.sum())
        # Samples without a p-value (unreadable, left out of the scan) stand outside of the estimate.
        known = np.isfinite(p_values[inside]) & ~checked
        estimate = None
        if known.any():
            estimate = estimated_false_removals(p_values[inside][known], gone[known], error_rate)
            estimate += int(np.count_nonzero(gone & checked))
        rows.append(
            {
                "index": index,
                "name": name,
                "before": before,
                "removed": removed,
                "after": before - removed,
                "share_before": before / len(labels) if len(labels) else 0.0,
                "share_after": (before - removed) / kept_total if kept_total else 0.0,
                "estimated_false": estimate,
                "verified_removed": int(np.count_nonzero(gone & checked)),
                "without_p_value": int(np.count_nonzero(gone & ~known & ~checked)),
            }
        )
    return rows


def _clusters(
    case: Case, labels: NDArray[Any], drop: NDArray[np.bool_], names: list[str]
) -> list[dict[str, Any]]:
    """Return the two parts of each class, told apart by the score of activation clustering.

    The score is the place on the line through the two centres. Two-means on that line has the
    clusters that were found in all dimensions as a solution: means project onto means, and the
    border is the middle between them.
    """
    scores = _array(case, f"score:{CLUSTERS}", np.empty(0, np.float32))
    if len(scores) != len(labels):
        return []
    parts = []
    for index, (name, inside) in enumerate(zip(names, _members(labels, len(names)))):
        rows = inside[np.isfinite(scores[inside])]
        if len(rows) < 2:
            continue
        outer = scores[rows] > _split(scores[rows].astype(np.float64))
        for part, members in (("main", rows[~outer]), ("outer", rows[outer])):
            removed = int(np.count_nonzero(drop[members]))
            parts.append(
                {
                    "class_index": index,
                    "class_name": name,
                    "cluster": part,
                    "before": len(members),
                    "removed": removed,
                    "after": len(members) - removed,
                }
            )
    return parts


def _members(labels: NDArray[Any], classes: int) -> list[NDArray[np.intp]]:
    """Return the rows of each class, ascending."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(classes + 1))
    return [order[start:end] for start, end in pairwise(bounds)]


def _split(values: NDArray[np.float64]) -> float:
    """Return the largest value of the lower of two clusters: the best two-means on a line."""
    ordered = np.sort(values)
    count = np.arange(1, len(ordered))
    below = np.cumsum(ordered)[:-1]
    above = ordered.sum() - below
    # The between-cluster sum of squares, up to a constant.
    gain = below**2 / count + above**2 / (len(ordered) - count)
    return float(ordered[int(np.argmax(gain))])


def _balance(classes: list[dict[str, Any]], side: str) -> float | None:
    """Return how many times larger the largest class is than the smallest; None if one is empty."""
    counts = [row[side] for row in classes]
    return max(counts) / min(counts) if counts and min(counts) else None


def _false_removals(
    classes: list[dict[str, Any]], drop: NDArray[np.bool_], error_rate: float
) -> dict[str, Any]:
    removed = int(np.count_nonzero(drop))
    touched = [row for row in classes if row["removed"]]
    rated = [row for row in touched if row["estimated_false"] is not None]
    covered = sum(row["removed"] - row["without_p_value"] for row in rated)
    estimate = sum(row["estimated_false"] for row in rated) if rated else None
    if not removed:
        sentence = "Nothing would be left out."
    elif estimate is None:
        sentence = _NO_AUDIT
    else:
        sentence = (
            f"About {estimate:,.1f} of {covered:,} left-out samples are estimated to be good, with "
            f"p-values up to the error rate of {error_rate:g} counted for suspicion."
        )
        if covered < removed:
            sentence += (
                f" For the other {removed - covered:,} it cannot be estimated: they have no "
                "p-value, which needs an audit of their class."
            )
    return {
        "estimated": estimate,
        "covered": covered,
        "not_covered": removed - covered,
        "sentence": sentence,
    }


def _notes(case: Case, classes: list[dict[str, Any]], drop: NDArray[np.bool_]) -> list[str]:
    notes = []
    emptied = [row["name"] for row in classes if row["before"] and not row["after"]]
    if emptied:
        notes.append(f"No sample would be left of {listing(emptied)}; class indices stay.")
    verified = sum(row["verified_removed"] for row in classes)
    if verified:
        notes.append(f"{verified:,} of the samples left out were verified as good one by one.")
    clean = int(np.count_nonzero(case.tags.mask("clean") & drop))
    if clean:
        notes.append(f"{clean:,} of the samples left out also carry the tag clean.")
    return notes


def _array(case: Case, name: str, otherwise: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(case.array(name)) if case.has_array(name) else otherwise
