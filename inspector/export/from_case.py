"""Export what a case has not tagged: the evidence is opened again and must be what was scanned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import __version__
from inspector.api import Control
from inspector.case import Case, SampleTable
from inspector.errors import BadInput
from inspector.export.cleaned import ExportResult, export_cleaned
from inspector.export.lists import export_lists
from inspector.export.plan import ExportPlan, plan_export, plan_quarantine
from inspector.intake.datasets import open_dataset


class _Reporting(Control):
    """Hand progress on as events, and pass every check to a caller that may cancel."""

    def __init__(
        self, on_event: Callable[[dict[str, Any]], None], check: Callable[[], None]
    ) -> None:
        self._on_event = on_event
        self.check = check  # type: ignore[method-assign]

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        self._on_event(
            {
                "event": "progress",
                "stage": f"Export: {stage}",
                "done": done,
                "total": total,
                "text": text,
            }
        )


def plan_for_case(
    case: Case, drop: NDArray[np.bool_], target: Path, control: Control | None = None
) -> ExportPlan:
    """Return what an export of this case would write; see `plan_export` for what is refused.

    Parameters
    ----------
    case : Case
        A scanned case.
    drop : ndarray, shape (n,), bool
        Samples to leave out.
    target : Path
        Folder to create.
    control : Control, optional
        Takes a cancel while the data is hashed.
    """
    _refuse_derived(case, target)
    found = next((item for item in case.evidence() if item.role == "data"), None)
    if found is None:
        raise BadInput("There is nothing to export.", "The case was not scanned.", "Scan first.")
    # The digest makes sure that the tags belong to these very bytes.
    dataset = open_dataset(Path(found.path), split=found.details.get("split"))
    dataset.digest(control)
    return plan_export(dataset, drop, target, digest=found.sha256)


def export_case(
    case: Case,
    drop: NDArray[np.bool_],
    target: Path,
    *,
    tags: Sequence[str] = (),
    quarantine: Path | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
) -> ExportResult:
    """Write the cleaned dataset of a case and record it in the journal.

    Parameters
    ----------
    case : Case
        Open for writing.
    drop : ndarray, shape (n,), bool
        Samples to leave out.
    target : Path
        Folder to create.
    tags : sequence of str
        Tags that chose ``drop``, for the record.
    quarantine : Path, optional
        A second folder to create, for what is left out.
    on_event : callable
        Takes progress events.
    check : callable
        Raises `Cancelled` to stop; nothing is left under the final names then.
    """
    control = _Reporting(on_event, check)
    plan = plan_for_case(case, drop, target, control)
    aside = None
    if quarantine is not None:
        _refuse_derived(case, quarantine)
        aside = plan_quarantine(plan, quarantine)
    result = export_cleaned(
        plan,
        reasons=_reasons(case, plan.removed),
        control=control,
        provenance=_provenance(case, tags),
        quarantine=aside,
    )
    with case.transaction():
        _record(case, "exported", result, tags)
        if result.quarantine is not None:
            _record(case, "quarantined", result.quarantine, tags)
    return result


def export_lists_of_case(
    case: Case,
    drop: NDArray[np.bool_],
    target: Path,
    *,
    tags: Sequence[str] = (),
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    check: Callable[[], None] = lambda: None,
) -> ExportResult:
    """Write which samples a training pipeline should leave out, without data; see `export_case`."""
    control = _Reporting(on_event, check)
    plan = plan_for_case(case, drop, target, control)
    result = export_lists(
        plan,
        reasons=_reasons(case, plan.removed),
        control=control,
        provenance=_provenance(case, tags),
    )
    _record(case, "exported", result, tags, lists_only=True)
    return result


def _refuse_derived(case: Case, target: Path) -> None:
    if Path(target).resolve().is_relative_to(case.derived.resolve()):
        raise BadInput(
            f"{target} lies among the case's derived arrays.",
            "They are the engine's to write.",
            f"Choose another folder, for example {case.exports / Path(target).name}.",
        )


def _provenance(case: Case, tags: Sequence[str]) -> dict[str, Any]:
    return {
        "inspector": __version__,
        "case": case.name,
        "case_id": case.journal.entry(1).hash,
        "journal_head": case.journal.head,
        "dropped_tags": list(tags),
        "rule": f"Samples tagged {' or '.join(tags)} are left out." if tags else "As chosen.",
        "evidence": [
            {"role": item.role, "sha256": item.sha256, "size": item.size}
            for item in case.evidence()
        ],
        "findings": {
            name: {key: finding.get(key) for key in ("version", "parameters", "seed")}
            for name, finding in case.findings().items()
        },
    }


def _record(case: Case, act: str, result: ExportResult, tags: Sequence[str], **more: Any) -> None:
    case.journal.append(
        act,
        target=str(result.target),
        kept=result.kept,
        removed=result.removed,
        tags=list(tags),
        digest=result.digest,
        manifest_sha256=result.manifest_sha256,
        **more,
    )


def _reasons(case: Case, rows: NDArray[np.intp]) -> dict[int, dict[str, Any]]:
    """Return by removed row why it goes: tags, and where the ranking saw it."""
    columns = SampleTable(case).columns
    combined = columns.get("combined")
    names = case.tags.names([int(row) for row in rows])
    reasons: dict[int, dict[str, Any]] = {}
    for row, tags in zip(rows, names, strict=True):
        score = float(combined[row]) if combined is not None else float("nan")
        reasons[int(row)] = {
            "tags": " ".join(tags),
            "combined": f"{score:.6g}" if np.isfinite(score) else "",
        }
    return reasons
