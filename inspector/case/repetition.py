"""Compare a case with its repetition: what must be identical, and what may differ by how much.

Identical everywhere: digests of the evidence, labels, the table of samples, tags. Identical on the
same machine with the same versions and threads, on the CPU: everything that a scan computes; within
the tolerances here on another one, since floating-point sums are then taken in another order. A
search for triggers and a map amplify such differences: elsewhere a mask must overlap with the former
one, and places are promised to nobody.

The shape of the document is a contract: ``resources/schema/rerun.schema.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import inspector
from inspector.case.canonical import plain, valid_unicode
from inspector.case.evidence import Evidence
from inspector.case.folder import Case
from inspector.case.tracing import TRACE
from inspector.case.trigger_choice import SEARCH
from inspector.errors import CaseError

SCHEMA = "inspector/rerun/1"

EXACT = frozenset(
    {"labels", "assessed", "verified", "locator_bytes", "locator_offsets", "stored_sha256"}
)
"""Arrays that come from bytes alone: identical on every machine."""

RELATIVE = 1e-3
"""How far values may differ on another machine, as a share of the largest of their array."""

RANKS = 0.999
"""Least rank correlation of scores with those of another machine."""

OVERLAP = 0.5
"""Least overlap of a trigger's masks on two machines: sum of the minima by that of the maxima."""

LABELS = 0.001
"""Largest share of predictions that may differ on another machine: ties of the two best classes."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name : str
    promise : str
        "identical", or the tolerance in words.
    found : str
        "identical", or the difference in words.
    same : bool
        Whether the promise is kept.
    """

    name: str
    promise: str
    found: str
    same: bool


def compare(case: Case, again: Case, *, same_environment: bool, arrays: Sequence[str]) -> list[Row]:
    """Return a row for everything that both hold.

    Parameters
    ----------
    case, again : Case
        The case and its repetition.
    same_environment : bool
        Machine, versions and threads are those of the first time, and no GPU was involved.
    arrays : sequence of str
        Names of the arrays that were to be repeated.
    """
    rows = [_evidence(item, again) for item in case.evidence()]
    rows += [_array(name, case, again, same_environment) for name in arrays]
    rows += _findings(case, again)
    rows.append(_tags(case))
    return rows


def rerun_document(
    case: Case,
    rows: Sequence[Row],
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    not_repeated: Sequence[str],
) -> dict[str, Any]:
    """Return what ``rerun --json`` prints."""
    differs = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return {
        "schema": SCHEMA,
        "inspector": inspector.__version__,
        "case": valid_unicode(str(case.path)),
        "journal_head": case.journal.head,
        "same": all(row.same for row in rows),
        "environment": {"then": plain(then), "now": plain(now), "differs": differs},
        "rows": [
            {"name": row.name, "promise": row.promise, "found": row.found, "same": row.same}
            for row in rows
        ],
        "not_repeated": list(not_repeated),
    }


def _evidence(item: Evidence, again: Case) -> Row:
    known = {one.role: one.sha256 for one in again.evidence()}
    known |= {one.path: one.sha256 for one in again.evidence()}
    found = known.get(item.path, None if item.role == "checkpoint" else known.get(item.role))
    same = found == item.sha256
    said = "identical" if same else "not read" if found is None else f"SHA-256 {found[:16]}…"
    name = f" {Path(item.path).name}" if item.role == "checkpoint" else ""
    return Row(f"evidence {item.role}{name}", "identical", said, same)


def _array(name: str, case: Case, again: Case, same_environment: bool) -> Row:
    known, repeated = case.arrays().get(name), again.arrays().get(name)
    exact = same_environment or name.partition(":")[0] in EXACT
    promise = "identical" if exact else _tolerance(name)
    if known is None or repeated is None:
        return Row(name, promise, "only the first time" if known else "only this time", False)
    if known.sha256 == repeated.sha256:
        return Row(name, promise, "identical", True)
    try:
        first, second = case.array(name), again.array(name)
    except CaseError as error:
        return Row(name, promise, valid_unicode(str(error)), False)
    if first.shape != second.shape:
        return Row(name, promise, f"shape {second.shape} instead of {first.shape}", False)
    if np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
        return Row(name, promise, "identical", True)
    found, within = _difference(name, first, second)
    return Row(name, promise, found, within and not exact)


def _tolerance(name: str) -> str:
    if name == "predicted":
        return f"at most {LABELS:.1%} differ"
    if _is_mask(name):
        return f"overlap of the masks at least {OVERLAP}"
    if _is_free(name):
        return "nothing on another machine"
    if _is_score(name):
        return f"rank correlation at least {RANKS}"
    return f"within {RELATIVE:g} of the largest"


def _is_mask(name: str) -> bool:
    return name.startswith("trigger:") and name.endswith(":mask")


def _is_free(name: str) -> bool:
    """Tell what is promised on one machine alone: places for the eye, colours under a mask."""
    return name.startswith(("map:umap", "trigger:")) and not _is_mask(name)


def _is_score(name: str) -> bool:
    return name.startswith("score:") or name in ("combined", "p_value")


def _difference(name: str, first: NDArray[Any], second: NDArray[Any]) -> tuple[str, bool]:
    """Return the difference in words, and whether it is within the tolerance."""
    if name == "predicted":
        share = float(np.mean(first != second))
        return f"{share:.3%} differ", share <= LABELS
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if _is_mask(name):
        both, either = np.minimum(one, two).sum(), np.maximum(one, two).sum()
        overlap = float(both / either) if either else 1.0
        return f"overlap {overlap:.3f}", overlap >= OVERLAP
    if not np.array_equal(np.isnan(one), np.isnan(two)):
        return "others are missing", False
    there = np.isfinite(one) & np.isfinite(two)
    one, two = one[there], two[there]
    largest = float(np.abs(one).max(initial=0.0))
    apart = float(np.abs(one - two).max(initial=0.0))
    share = apart / largest if largest else apart
    if _is_free(name):
        return f"within {share:.2g} of the largest", True
    if _is_score(name) and one.ndim == 1 and one.size > 1:
        ranks = _rank_correlation(one, two)
        return f"rank correlation {ranks:.6f}, values within {share:.2g}", ranks >= RANKS
    return f"within {share:.2g} of the largest", share <= RELATIVE


def _rank_correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return Spearman's correlation; equal values are ranked in the order of the samples."""
    ranks = [np.argsort(np.argsort(values, kind="stable")).astype(float) for values in (one, two)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _findings(case: Case, again: Case) -> list[Row]:
    repeated = again.findings()
    rows = []
    for name, finding in case.findings().items():
        other = repeated.get(name)
        if name in (SEARCH, TRACE) and other is None:
            continue  # said under what was not repeated
        if other is None:
            rows.append(Row(f"finding {name}", "same verdict", "not repeated", False))
            continue
        told = ("version", "plugin_sha256", "parameters", "seed", "status", "verdict")
        differing = [key for key in told if finding.get(key) != other.get(key)]
        said = "same verdict" if not differing else f"{', '.join(differing)} differ"
        rows.append(Row(f"finding {name}", "same verdict", said, not differing))
    return rows


def _tags(case: Case) -> Row:
    same = case.tags.replays()
    return Row("tags", "identical", "identical" if same else "the journal gives others", same)
