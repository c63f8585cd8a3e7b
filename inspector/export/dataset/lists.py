"""Lists alone: what a training pipeline needs to leave samples out, without any data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.errors import CaseError
from inspector.export.atomic import writing
from inspector.export.checking import check_lists, differs
from inspector.export.dataset.filling import account_of
from inspector.export.dataset.plan import ExportPlan
from inspector.export.dataset.records import write_kept, write_removed
from inspector.export.filled import Filled
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.image_folder import ImageFolder


def fill_lists(
    plan: ExportPlan,
    folder: Path,
    *,
    target: Path,
    reasons: Mapping[int, Mapping[str, Any]] | None = None,
    control: Control | None = None,
) -> Filled:
    """Write which samples to keep and which to leave out, and no data.

    ``kept.csv`` and ``removed.csv`` are those of a full export. ``kept_indices.txt`` and
    ``removed_indices.txt`` have one row number a line, for a subset of an array;
    ``kept_files.txt`` and ``removed_files.txt``, of a folder of images, one path below its root,
    unprintable characters written ``%XX``.

    Parameters
    ----------
    plan, folder, target, reasons, control
        As for `fill`.
    """
    control = control or Control()
    plan.dataset.stored_sha256(control)
    kept, removed = plan.kept.tolist(), plan.removed.tolist()
    with writing(target):
        write_removed(plan, reasons or {}, folder)
        write_kept(plan, folder)
        for name, rows in (("kept", kept), ("removed", removed)):
            _write_lines(folder / f"{name}_indices.txt", map(str, rows))
            if isinstance(plan.dataset, ImageFolder):
                _write_lines(folder / f"{name}_files.txt", map(plan.dataset.locator, rows))
        check_lists(folder, {"kept.csv": kept, "removed.csv": removed})
        _check_indices(folder, kept, removed)
    control.check()
    return account_of(plan, plan.dataset.digest())


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
