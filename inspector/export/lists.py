"""Lists alone: what a training pipeline needs to leave samples out, without any data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.errors import CaseError
from inspector.export.atomic import building
from inspector.export.cleaned import ExportResult
from inspector.export.files import write_chunks
from inspector.export.plan import ExportPlan
from inspector.export.records import (
    MANIFEST,
    check_lists,
    differs,
    digests_of,
    write_kept,
    write_manifest,
    write_provenance,
    write_removed,
)
from inspector.intake.datasets.evidence_file import sha256_of
from inspector.intake.datasets.image_folder import ImageFolder


def export_lists(
    plan: ExportPlan,
    *,
    reasons: Mapping[int, Mapping[str, Any]] | None = None,
    control: Control | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> ExportResult:
    """Write which samples to keep and which to leave out, and no data.

    ``kept.csv`` and ``removed.csv`` are those of a full export. ``kept_indices.txt`` and
    ``removed_indices.txt`` have one row number a line, for a subset of an array;
    ``kept_files.txt`` and ``removed_files.txt``, of a folder of images, one path below its root,
    unprintable characters written ``%XX``.

    Parameters
    ----------
    plan, reasons, control, provenance
        As for `export_cleaned`.

    Raises
    ------
    CaseError
        The lists cannot be written. Nothing is left under the final name.
    Cancelled
        The analyst stopped it; nothing is left.
    """
    started, control = time.monotonic(), control or Control()
    plan.dataset.stored_sha256(control)
    kept, removed = plan.kept.tolist(), plan.removed.tolist()
    with building(plan.target) as folder:
        write_removed(plan, reasons or {}, folder)
        write_kept(plan, folder)
        for name, rows in (("kept", kept), ("removed", removed)):
            _write_lines(folder / f"{name}_indices.txt", map(str, rows))
            if isinstance(plan.dataset, ImageFolder):
                _write_lines(folder / f"{name}_files.txt", map(plan.dataset.locator, rows))
        check_lists(folder, {"kept.csv": kept, "removed.csv": removed})
        _check_indices(folder, kept, removed)
        control.check()
        files = digests_of(folder, {}, control)
        write_provenance(plan, plan.dataset.digest(), files, provenance or {}, folder)
        files["provenance.json"] = sha256_of(folder, "provenance.json")
        size = write_manifest(folder, files)
        manifest = sha256_of(folder, MANIFEST).hex()
    return ExportResult(
        plan.target,
        len(kept),
        len(removed),
        len(files) + 1,
        size,
        files["kept.csv"].hex(),
        manifest,
        time.monotonic() - started,
    )


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    write_chunks(path, [text.encode("utf-8", "backslashreplace")])


def _check_indices(folder: Path, kept: list[int], removed: list[int]) -> None:
    for name, rows in (("kept", kept), ("removed", removed)):
        try:
            found = [int(line) for line in (folder / f"{name}_indices.txt").read_text().split()]
        except (OSError, ValueError) as error:
            raise CaseError(f"The lists were not kept: {error}.") from error
        if found != rows:
            raise differs(f"{name}_indices.txt does not name the samples that it should")
