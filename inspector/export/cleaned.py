"""Writing a cleaned dataset: filled beside its place, looked through, sealed, renamed.

Who fills the folder is the caller's choice: for a case an engine in its sandbox does
(`inspector.engine.client.exporting`), since that reads the evidence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.atomic import Hidden, hidden
from inspector.export.filled import Filled
from inspector.export.sealing import seal
from inspector.export.target import checked_target, leftovers, refuse_nested
from inspector.intake.datasets.names import listing

ROLES = ("cleaned", "quarantine", "lists")
"""What a folder can be: the samples that stay, those that go, or lists of both without data."""


@dataclass(frozen=True)
class ExportTask:
    """What is to be written.

    Attributes
    ----------
    sources : sequence of Path
        Files and folders that the dataset is read from.
    drop : ndarray, shape (n,), bool
        Samples to leave out.
    target : Path
        Folder to create.
    quarantine : Path, optional
        A second one, for what is left out. Both appear, or neither.
    lists_only : bool
        Lists for a training pipeline, no data.
    """

    sources: Sequence[Path]
    drop: NDArray[np.bool_] = field(repr=False)
    target: Path
    quarantine: Path | None = None
    lists_only: bool = False

    @property
    def originals(self) -> Path | None:
        """The folder of the source, where it is one."""
        folders = [path for path in self.sources if path.is_dir()]
        return folders[0] if folders else None


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
        `Dataset.digest` of the exported dataset; of lists the SHA-256 of ``kept.csv``.
    manifest_sha256 : str
        SHA-256 of ``manifest.sha256``, the one number that fixes the whole folder.
    seconds : float
        How long it took.
    notes : tuple of str
        What the analyst should know, one sentence each.
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
    notes: tuple[str, ...] = ()
    quarantine: ExportResult | None = None


Fill = Callable[[Path, str, Path], Filled]
"""Fill a folder (first) with the set of a role (second) that will have a name (third)."""

Announce = Callable[[ExportResult, list[Path]], None]
"""Take the result and the hidden folders, the quarantine's last."""


def write_set(
    task: ExportTask,
    fill: Fill,
    *,
    provenance: Mapping[str, Any] | None = None,
    control: Control | None = None,
    announce: Announce | None = None,
) -> ExportResult:
    """Write a cleaned dataset, or lists.

    Parameters
    ----------
    task : ExportTask
    fill : callable
        Writes samples and lists into an empty folder, reads them back, and says what it did. It
        must have ended, with everything that it started, when it returns.
    provenance : mapping, optional
        JSON-able account of the case for ``provenance.json``.
    control : Control, optional
        Takes a cancel.
    announce : callable, optional
        Called when all is written and hidden still: writes down what would have to be finished by
        whoever finds it half named.

    Raises
    ------
    BadInput
        The target exists, lies in or around the source, or cannot be created; or whatever ``fill``
        refuses.
    CaseError
        The export cannot be written (disk full, no permission), or is not what it should be.
        Nothing is left under the final name.
    Cancelled
        The analyst stopped it; nothing is left.
    """
    control = control or Control()
    final = checked_target(task.sources, task.target)
    writing = _Writing(task, fill, provenance or {}, control)
    announce = announce or _nobody
    if task.quarantine is None:
        with hidden(final) as first:
            result = writing.one("lists" if task.lists_only else "cleaned", first)
            announce(result, [first.folder])
            first.appear()
        return result
    if not task.drop.any():
        raise BadInput(
            "There is nothing to put into quarantine.", "No sample is left out.", "Tag samples."
        )
    aside = checked_target(task.sources, task.quarantine)
    refuse_nested(aside, final)
    with hidden(final) as first, hidden(aside) as second:
        result = writing.one("cleaned", first)
        result = replace(result, quarantine=writing.one("quarantine", second))
        announce(result, [first.folder, second.folder])
        second.appear()
        try:
            first.appear()
        except BaseException:
            if not first.named:
                second.disappear()
            raise
    return result


def _nobody(result: ExportResult, hidden: list[Path]) -> None:
    """Stand in where nobody finishes what is cut off."""


@dataclass(frozen=True)
class _Writing:
    """What the folders of one export have in common."""

    task: ExportTask
    fill: Fill
    provenance: Mapping[str, Any]
    control: Control

    def one(self, role: str, place: Hidden) -> ExportResult:
        """Fill and seal one folder that stays hidden, and bring it onto the disk."""
        folder, final = place.folder, place.target
        started, drop = time.monotonic(), self.task.drop
        unfinished = [path.name for path in leftovers(final)]
        filled = self.fill(folder, role, final)
        dropped = ~drop if role == "quarantine" else drop
        sealed = seal(
            folder,
            filled,
            (np.flatnonzero(~dropped), np.flatnonzero(dropped)),
            role=role,
            originals=self.task.originals if role != "lists" else None,
            notes=[] if role == "quarantine" else _about(unfinished),
            provenance=self.provenance,
            control=self.control,
        )
        place.settle()
        return ExportResult(
            final,
            filled.kept,
            filled.removed,
            sealed.files,
            sealed.size,
            sealed.digests["kept.csv"].hex() if role == "lists" else filled.digest,
            sealed.manifest_sha256,
            time.monotonic() - started,
            filled.notes,
        )


def _about(unfinished: list[str]) -> list[str]:
    if not unfinished:
        return []
    return [
        f"An earlier export stopped half-way and left {listing(unfinished)}; it can be deleted."
    ]
