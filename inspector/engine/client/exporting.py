"""Export what a case has not tagged. The evidence is opened in an engine, never here.

Each folder is filled by an engine of its own, which may read the dataset and write into the hidden
folder beside the target alone; when it has ended, `inspector.export` looks through what it left,
seals it, and gives it its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import __version__
from inspector.api import Control
from inspector.case import Case, Evidence, SampleTable
from inspector.case.sealed_exports import Note, SealedFolder, announce, record_named
from inspector.engine.client.answers import understood
from inspector.engine.client.process import Engine
from inspector.engine.client.raised import raised_limits
from inspector.errors import BadInput, CaseError, EngineStopped
from inspector.export.cleaned import ExportResult, ExportTask, write_set
from inspector.export.filled import Filled
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.beside import to_be_read

_LOOK = 0.2
"""Seconds between two looks whether somebody cancelled."""

Emit = Callable[[dict[str, Any]], None]


def export_case(
    case: Case,
    drop: NDArray[np.bool_],
    target: Path,
    *,
    tags: Sequence[str] = (),
    quarantine: Path | None = None,
    lists_only: bool = False,
    on_event: Emit = lambda event: None,
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
    lists_only : bool
        Write which samples a training pipeline should leave out, without data.
    on_event : callable
        Takes progress events, from a background thread.
    check : callable
        Raises `Cancelled` to stop; nothing is left under the final names then.

    Raises
    ------
    InspectorError
        See `inspector.export.cleaned.write_set`; or the engine died.
    """
    for place in (target, quarantine):
        _refuse_derived(case, place)
    data = next((item for item in case.evidence() if item.role == "data"), None)
    if data is None:
        raise BadInput("There is nothing to export.", "The case was not scanned.", "Scan first.")
    task = ExportTask(to_be_read(data.path), drop, target, quarantine, lists_only)
    reasons = _reasons(case, np.flatnonzero(drop))
    filling = _Filling(task, data, reasons, on_event, check, raised_limits(case))
    sealing = _Sealing(case, tags, filling, lists_only)
    try:
        result = write_set(
            task,
            filling,
            provenance=_provenance(case, tags),
            control=_Checking(check),
            announce=sealing,
        )
    except BaseException:
        sealing.undo()
        raise
    sealing.done()
    return result


class _Sealing:
    """Writes down what gets its name, and into the journal that it has it."""

    def __init__(
        self, case: Case, tags: Sequence[str], filling: _Filling, lists_only: bool
    ) -> None:
        self._case, self._tags, self._filling = case, tags, filling
        self._more = {"lists_only": True} if lists_only else {}
        self._note: Note | None = None

    def __call__(self, result: ExportResult, hidden: list[Path]) -> None:
        both = [("exported", result, self._more), ("quarantined", result.quarantine, {})]
        folders = [
            SealedFolder(act, one.target, place, self._details(one) | more)
            for (act, one, more), place in zip(both, hidden)
            if one is not None
        ]
        self._note = announce(self._case.journal, self._case.path, folders)

    def done(self) -> None:
        assert self._note is not None
        record_named(self._case.journal, self._note)

    def undo(self) -> None:
        # What has a name already is seen to at the next opening.
        if self._note is not None and not self._note.has_begun():
            self._note.drop()

    def _details(self, result: ExportResult) -> dict[str, Any]:
        return {
            "kept": result.kept,
            "removed": result.removed,
            "tags": list(self._tags),
            "digest": result.digest,
            "manifest_sha256": result.manifest_sha256,
            "sandbox": self._filling.layers,
        }


class _Checking(Control):
    """Passes every check to a caller that may cancel."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check  # type: ignore[method-assign]


class _Filling:
    """Starts an engine for a folder, waits for it, and makes sure that it has ended."""

    def __init__(
        self,
        task: ExportTask,
        data: Evidence,
        reasons: dict[int, dict[str, Any]],
        on_event: Emit,
        check: Callable[[], None],
        limits: dict[str, int],
    ) -> None:
        self._limits = limits
        self._task, self._data, self._reasons = task, data, reasons
        self._on_event, self._check = on_event, check
        self.layers: list[str] = []

    @understood
    def __call__(self, folder: Path, role: str, final: Path) -> Filled:
        place = folder.parent
        asked = place / "asked"
        self._write_request(asked)
        engine = Engine(place, self._pass_on, read=self._task.sources, limits=self._limits)
        engine.start()
        try:
            number = engine.submit(
                "export",
                data=self._data.path,
                digest=self._data.sha256,
                split=self._data.details.get("split"),
                role=role,
                target=str(final),
                folder=folder.name,
                asked=asked.name,
                with_quarantine=self._task.quarantine is not None,
            )
            while True:
                self._check()
                try:
                    answer = engine.wait(number, timeout=_LOOK)
                    break
                except TimeoutError:
                    continue
            self.layers = engine.layers
        except EngineStopped as error:
            raise EngineStopped(
                error.what, f"{error.why} Nothing was exported.".strip(), "Export again."
            ) from error
        finally:
            # What it left is looked through only when it can change nothing any more.
            engine.kill()
        filled = Filled.from_answer(answer)
        if filled.source_digest != self._data.sha256:
            raise CaseError(
                "The export was not kept: the engine exported other data than was scanned.",
                "Code in the evidence may have taken it over.",
                "Treat the evidence as hostile.",
            )
        return filled

    def _write_request(self, asked: Path) -> None:
        os.mkdir(asked)
        with open(asked / "drop.npy", "xb") as file:
            np.save(file, self._task.drop, allow_pickle=False)
        text = json.dumps({str(row): values for row, values in self._reasons.items()})
        write_chunks(asked / "reasons.json", [text.encode()])

    def _pass_on(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            stage = f"Export: {str(event.get('stage'))[:100]}"
            self._on_event({**event, "stage": stage})


def _refuse_derived(case: Case, target: Path | None) -> None:
    if target is not None and Path(target).resolve().is_relative_to(case.derived.resolve()):
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
