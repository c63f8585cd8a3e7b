"""Filling the folder of an export: samples and lists written, then read back and compared.

This is what reads the evidence. It runs in an engine that may write into this one folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput, CaseError
from inspector.export.atomic import writing
from inspector.export.checking import check_lists, differs
from inspector.export.dataset.copying import copy_file
from inspector.export.dataset.npz import check_npz
from inspector.export.dataset.plan import ExportPlan
from inspector.export.dataset.records import write_kept, write_quarantined, write_removed
from inspector.export.dataset.writers import writer_of
from inspector.export.filled import Filled
from inspector.intake.datasets import open_dataset
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.npz import NpzDataset


def fill(
    plan: ExportPlan,
    folder: Path,
    *,
    target: Path,
    beside: int = 0,
    reasons: Mapping[int, Mapping[str, Any]] | None = None,
    control: Control | None = None,
) -> Filled:
    """Write the samples of a plan and their lists into an empty folder, and prove them.

    Parameters
    ----------
    plan : ExportPlan
        From `plan_export` or `plan_quarantine`.
    folder : Path
        Empty, hidden; it gets its name from others when it is proved.
    target : Path
        That name, for what is said of it.
    beside : int
        Bytes that will be written after this on the same disk.
    reasons : mapping of int to mapping, optional
        By row: named values for ``removed.csv``, such as tag, score and note.
    control : Control, optional
        Reports progress and takes a cancel.

    Raises
    ------
    BadInput
        The source cannot be read or changed.
    CaseError
        It cannot be written (disk full, no permission), or differs from the source when read back.
    Cancelled
        The analyst stopped it.
    """
    control, reasons = control or Control(), reasons or {}
    _refuse_unreadable(plan, control)
    _refuse_full_disk(folder, target, plan.bytes + beside)
    with writing(target):
        writer_of(plan.dataset)(plan.dataset, plan.kept, folder, control)
        _copy_companions(plan, folder, control)
        written = _read_back(plan, folder, control)
        if plan.quarantine:
            write_quarantined(plan, reasons, folder)
            check_lists(folder, {"removed.csv": plan.kept.tolist()})
        else:
            write_removed(plan, reasons, folder)
            write_kept(plan, folder)
            check_lists(
                folder, {"kept.csv": plan.kept.tolist(), "removed.csv": plan.removed.tolist()}
            )
    control.check()
    return account_of(plan, written.digest())


def account_of(plan: ExportPlan, digest: str) -> Filled:
    """Return what is said of a folder filled after a plan.

    Parameters
    ----------
    plan : ExportPlan
    digest : str
        `Dataset.digest` of what was written.
    """
    return Filled(
        plan.dataset.format,
        plan.dataset.digest(),
        digest,
        len(plan.kept),
        len(plan.removed),
        plan.classes,
        plan.notes,
    )


def _refuse_unreadable(plan: ExportPlan, control: Control) -> None:
    hashes = plan.dataset.stored_sha256(control)
    missing = plan.kept[~hashes[plan.kept].any(axis=1)]
    if missing.size:
        raise BadInput(
            f"{missing.size:,} of the samples to write cannot be read, the first is "
            f"{plan.dataset.locator(int(missing[0]))}.",
            "The export would lack them.",
            "Give yourself permission to read them, or leave them out.",
        )


def _refuse_full_disk(folder: Path, target: Path, needed: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < needed:
        raise CaseError(
            f"{shown(target)} was not written: the disk is too full.",
            f"It takes about {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free.",
            "Free space, or choose another disk.",
        )


def _copy_companions(plan: ExportPlan, folder: Path, control: Control) -> None:
    for path in plan.companions:
        control.check()
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        copy_file(plan.dataset.root, path, folder)


def _read_back(plan: ExportPlan, folder: Path, control: Control) -> Dataset:
    """Open the export with our own reader and compare it with the source, sample by sample."""
    source = plan.dataset
    try:
        name = source.entry or ("" if source.root.is_dir() else source.root.name)
        written = open_dataset(folder / name, split=source.split or None)
        same = (
            written.format == source.format
            and len(written) == len(plan.kept)
            and _same_labels(source, written, plan)
            and np.array_equal(
                written.stored_sha256(_Verifying(control)), source.stored_sha256()[plan.kept]
            )
        )
    except BadInput as error:
        raise CaseError(
            f"The export was not kept: it cannot be read back. {error.what}",
            error.why,
            "Try again, on another disk if it happens twice.",
        ) from error
    if not same:
        raise differs("its samples differ from those of the source")
    if isinstance(source, NpzDataset):
        check_npz(source, folder / source.file.name)
    return written


class _Verifying(Control):
    """Reports the hashing of the copy as a stage of its own."""

    def __init__(self, control: Control) -> None:
        self.check = control.check  # type: ignore[method-assign]
        self._control = control

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        self._control.progress("verify", done, total, "reading back")


def _same_labels(source: Dataset, written: Dataset, plan: ExportPlan) -> bool:
    if not (isinstance(source, ImageFolder) and isinstance(written, ImageFolder)):
        # By name: text labels are numbered anew where the last sample of a class went.
        return _names(written, written.labels) == _names(source, source.labels[plan.kept])
    # The path holds the class. An emptied class folder stays a class, unless it is a hidden one.
    vanished = set(source.class_names) - set(written.class_names)
    emptied = {count.name for count in plan.classes if not count.after}
    order = [name for name in source.class_names if name not in vanished]
    return (
        written.paths == tuple(source.paths[row] for row in plan.kept)
        and list(written.class_names) == order
        and vanished <= {name for name in emptied if name.startswith((".", "__MACOSX"))}
    )


def _names(dataset: Dataset, labels: NDArray[np.int32]) -> list[str]:
    names = [*dataset.class_names, ""]  # the last one stands for "no label", -1
    return [names[label] for label in labels.tolist()]
