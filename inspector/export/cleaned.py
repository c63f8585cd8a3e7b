"""Writing a cleaned dataset: build beside its place, read back, compare, rename."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput, CaseError
from inspector.export.atomic import building
from inspector.export.files import copy_file
from inspector.export.npz import check_npz
from inspector.export.plan import ExportPlan
from inspector.export.records import (
    MANIFEST,
    check_lists,
    differs,
    digests_of,
    write_kept,
    write_manifest,
    write_provenance,
    write_quarantined,
    write_removed,
)
from inspector.export.writers import writer_of
from inspector.intake.datasets import open_dataset
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import sha256_of
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.npz import NpzDataset


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    target : Path
        The new folder.
    kept, removed : int
        Numbers of samples.
    files, bytes : int
        Everything in the folder, lists included.
    digest : str
        `Dataset.digest` of the exported dataset.
    manifest_sha256 : str
        SHA-256 of ``manifest.sha256``, the one number that fixes the whole folder.
    seconds : float
        How long it took.
    quarantine : ExportResult or None
        The set of what was left out, if it was asked for.
    """

    target: Path
    kept: int
    removed: int
    files: int
    bytes: int
    digest: str
    manifest_sha256: str
    seconds: float
    quarantine: ExportResult | None = None


def export_cleaned(
    plan: ExportPlan,
    *,
    reasons: Mapping[int, Mapping[str, Any]] | None = None,
    control: Control | None = None,
    provenance: Mapping[str, Any] | None = None,
    quarantine: ExportPlan | None = None,
) -> ExportResult:
    """Write a cleaned dataset.

    Parameters
    ----------
    plan : ExportPlan
        From `plan_export`.
    reasons : mapping of int to mapping, optional
        By row: named values for ``removed.csv``, such as tag, score and note.
    control : Control, optional
        Reports progress and takes a cancel.
    provenance : mapping, optional
        JSON-able account of the case for ``provenance.json``.
    quarantine : ExportPlan, optional
        From `plan_quarantine`: what is left out goes into a second folder. Both appear, or neither.

    Returns
    -------
    ExportResult

    Raises
    ------
    BadInput
        The source cannot be read or changed.
    CaseError
        The export cannot be written (disk full, no permission), or differs from the source when
        read back. Nothing is left under the final name.
    Cancelled
        The analyst stopped it; nothing is left.
    """
    control = control or Control()
    plans = [plan] if quarantine is None else [plan, quarantine]
    for part in plans:
        _refuse_unreadable(part, control)
    _refuse_full_disk(plans)
    account = _Account(reasons or {}, provenance or {}, control)
    if quarantine is None:
        with building(plan.target) as folder:
            return _filled(plan, folder, account)
    aside_stands = False
    try:
        with building(plan.target) as folder:
            result = _filled(plan, folder, account)
            with building(quarantine.target) as second:
                aside = _filled(quarantine, second, account)
            aside_stands = True
    except BaseException:
        if aside_stands:
            shutil.rmtree(quarantine.target, ignore_errors=True)
        raise
    return replace(result, quarantine=aside)


@dataclass(frozen=True)
class _Account:
    """What goes into the lists beside the samples, and who watches the writing."""

    reasons: Mapping[int, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    control: Control


def _filled(plan: ExportPlan, folder: Path, account: _Account) -> ExportResult:
    """Write one dataset into a folder that is still hidden, and prove it."""
    started, control = time.monotonic(), account.control
    _write_samples(plan, folder, control)
    _copy_companions(plan, folder, control)
    written = _read_back(plan, folder, control)
    if plan.quarantine:
        write_quarantined(plan, account.reasons, folder)
        check_lists(folder, {"removed.csv": plan.kept.tolist()})
    else:
        write_removed(plan, account.reasons, folder)
        write_kept(plan, folder)
        check_lists(folder, {"kept.csv": plan.kept.tolist(), "removed.csv": plan.removed.tolist()})
    digest = written.digest()
    files = digests_of(folder, written.file_sha256(control), control)
    write_provenance(plan, digest, files, account.provenance, folder)
    files["provenance.json"] = sha256_of(folder, "provenance.json")
    size = write_manifest(folder, files)
    manifest = sha256_of(folder, MANIFEST).hex()
    size += (folder / MANIFEST).stat().st_size
    control.check()
    return ExportResult(
        plan.target,
        len(plan.kept),
        len(plan.removed),
        len(files) + 1,
        size,
        digest,
        manifest,
        time.monotonic() - started,
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


def _refuse_full_disk(plans: Sequence[ExportPlan]) -> None:
    target, needed = plans[0].target, sum(plan.bytes for plan in plans)
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError:
        return
    if free < needed:
        raise CaseError(
            f"{shown(target)} was not written: the disk is too full.",
            f"It takes about {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free.",
            "Free space, or choose another disk.",
        )


def _write_samples(plan: ExportPlan, folder: Path, control: Control) -> None:
    writer_of(plan.dataset)(plan.dataset, plan.kept, folder, control)


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
