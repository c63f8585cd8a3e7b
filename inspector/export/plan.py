"""What an export would write, worked out and checked before anything is written."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput, CaseError
from inspector.export.atomic import is_abandoned
from inspector.export.companions import OWN_FILES, companions, descriptions
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import reason_of
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.manifest import ManifestFolder
from inspector.intake.datasets.names import count_of, listing, shown

_ROW_IN_LISTS = 200
"""Bytes that a sample takes in kept.csv, removed.csv and the manifest, roughly."""
_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(frozen=True)
class ClassCount:
    """How many samples a class has before and after."""

    index: int
    name: str
    before: int
    after: int


@dataclass(frozen=True)
class ExportPlan:
    """A checked intention to write a cleaned copy.

    Attributes
    ----------
    dataset : Dataset
        The source.
    drop : ndarray, shape (n,), bool
        Samples to leave out; read-only.
    target : Path
        Folder to create, its parent resolved.
    classes : tuple of ClassCount
        One row for each class.
    bytes : int
        Estimated size of the export.
    companions : tuple of str
        Other files of the source that are copied along, paths below its root.
    left_behind : tuple of str
        Other files, links and devices that are not.
    notes : tuple of str
        What the analyst should know before writing, one sentence each.
    quarantine : bool
        Whether this is the set of the removed samples.
    """

    dataset: Dataset
    drop: NDArray[np.bool_] = field(repr=False)
    target: Path
    classes: tuple[ClassCount, ...]
    bytes: int
    companions: tuple[str, ...] = field(repr=False)
    left_behind: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...]
    quarantine: bool = False

    @property
    def kept(self) -> NDArray[np.intp]:
        """Rows of the source that are exported, ascending."""
        return np.flatnonzero(~self.drop)

    @property
    def removed(self) -> NDArray[np.intp]:
        """Rows of the source that are left out, ascending."""
        return np.flatnonzero(self.drop)


def plan_export(
    dataset: Dataset,
    drop: NDArray[np.bool_],
    target: str | os.PathLike[str],
    *,
    digest: str | None = None,
) -> ExportPlan:
    """Check a wish to export and say what it would write.

    Parameters
    ----------
    dataset : Dataset
        The source, just opened.
    drop : ndarray, shape (n,), bool
        True for samples to leave out.
    target : path
        Folder to create. It must not exist; its parent must.
    digest : str, optional
        `Dataset.digest` at the time of the scan. Where it differs now, the tags would fall on
        other samples, and the export is refused.

    Raises
    ------
    BadInput
        The target exists, lies in or around the source, or cannot be created there; nothing would
        remain; the data changed.
    """
    drop = np.array(drop, dtype=np.bool_)
    if drop.shape != (len(dataset),):
        raise BadInput(
            f"The selection has {drop.size:,} rows, the dataset has {len(dataset):,}.",
            "It was made on other data.",
            "Open the dataset that was scanned.",
        )
    drop.flags.writeable = False
    if drop.all():
        raise BadInput(
            f"All {count_of(len(dataset), 'sample')} would be left out.",
            "An export without samples is no dataset.",
            "Tag fewer samples.",
        )
    final = _checked_target(dataset, target)
    if digest is not None and dataset.digest() != digest:
        raise BadInput(
            f"{shown(dataset.root)} is not what was scanned: its digest differs.",
            "Files were changed, added or removed since, so the tags may fall on other samples.",
            "Restore the data, or scan it again.",
        )
    copied, left = companions(dataset)
    classes = _class_counts(dataset, drop)
    return ExportPlan(
        dataset,
        drop,
        final,
        classes,
        _estimated_bytes(dataset, drop, copied),
        tuple(copied),
        tuple(left),
        tuple(_notes(dataset, drop, classes, copied, left, final)),
    )


def plan_quarantine(plan: ExportPlan, target: str | os.PathLike[str]) -> ExportPlan:
    """Return the plan of the set that a cleaned copy leaves out, in the same format.

    Files that say how to read the samples go along; other splits and other files stay with the
    cleaned copy.

    Parameters
    ----------
    plan : ExportPlan
        Of the cleaned copy.
    target : path
        A further folder to create, neither in nor around that of ``plan``.

    Raises
    ------
    BadInput
        See `plan_export`; or nothing is left out.
    """
    if not plan.drop.any():
        raise BadInput(
            "There is nothing to put into quarantine.", "No sample is left out.", "Tag samples."
        )
    final = _checked_target(plan.dataset, target)
    if final == plan.target or plan.target in final.parents or final in plan.target.parents:
        raise BadInput(
            f"{shown(final)} lies in or around the cleaned dataset.",
            "What was removed would be among what was kept.",
            "Choose a folder beside it.",
        )
    drop = ~plan.drop
    drop.flags.writeable = False
    classes = _class_counts(plan.dataset, drop)
    along = tuple(descriptions(plan.dataset, list(plan.companions)))
    size = _estimated_bytes(plan.dataset, drop, list(along))
    return ExportPlan(plan.dataset, drop, final, classes, size, along, (), (), quarantine=True)


def leftovers(target: str | os.PathLike[str]) -> list[Path]:
    """Return unfinished exports that a crash left beside a target; they can be deleted.

    A folder that another export is writing to at this moment is none.
    """
    path = Path(target)
    name = re.compile(re.escape(f".{path.name}.partial-") + "[0-9a-f]{8}")
    try:
        found = sorted(entry for entry in path.parent.iterdir() if name.fullmatch(entry.name))
    except OSError:
        return []
    return [entry for entry in found if is_abandoned(entry)]


def remove_leftovers(target: str | os.PathLike[str]) -> list[Path]:
    """Delete what `leftovers` finds and return what was deleted.

    Raises
    ------
    CaseError
        A folder cannot be deleted.
    """
    removed = []
    for folder in leftovers(target):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise CaseError(
                f"{shown(folder)} cannot be deleted: {reason_of(error)}.",
                "It is what an export left that stopped half-way.",
                "Delete it yourself.",
            ) from None
        removed.append(folder)
    return removed


def _checked_target(dataset: Dataset, target: str | os.PathLike[str]) -> Path:
    path = Path(target)
    if not path.name or path.name == "..":
        raise BadInput(f"{shown(target)!r} is no name for a new folder.", "", "Give a new name.")
    if os.path.lexists(path):
        raise BadInput(
            f"{shown(path)} already exists.",
            "An export never writes over or into something that is there.",
            "Give the name of a folder that does not exist yet.",
        )
    try:
        parent = Path(os.path.realpath(path.parent, strict=True))
        if not parent.is_dir():
            raise NotADirectoryError
    except (OSError, ValueError):
        raise BadInput(
            f"{shown(path)} cannot be created: the folder above it does not exist.",
            "",
            f"Create {shown(path.parent)} first, or choose another place.",
        ) from None
    final = parent / path.name
    _refuse_overlap(dataset, parent, final)
    if not os.access(parent, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise BadInput(
            f"{shown(final)} cannot be created: no permission to write into {shown(parent)}.",
            "",
            "Choose a folder of your own.",
        )
    return final


def _refuse_overlap(dataset: Dataset, parent: Path, final: Path) -> None:
    """Compare by path and by inode: a bind mount shows the source under another path."""
    source = dataset.root
    folders = [source] if source.is_dir() else []
    if isinstance(dataset, (ImageFolder, ManifestFolder)):
        folders += [source / folder for folder in dataset.folders]
    inside = {_identity(folder) for folder in folders}
    above = [parent, *parent.parents]
    overlaps = source == final or source.is_relative_to(final) or final.is_relative_to(source)
    if overlaps or inside & {_identity(folder) for folder in above}:
        raise BadInput(
            f"{shown(final)} lies in or around the source {shown(source)}.",
            "Evidence is never written to.",
            "Choose a place outside of the source.",
        )


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat(follow_symlinks=False)
    except OSError as error:
        raise BadInput(
            f"{shown(folder)} cannot be looked at: {reason_of(error)}.",
            "Whether the export would lie in the source cannot be told.",
            "Open the data again.",
        ) from None
    return status.st_dev, status.st_ino


def _class_counts(dataset: Dataset, drop: NDArray[np.bool_]) -> tuple[ClassCount, ...]:
    classes = len(dataset.class_names)
    labelled = dataset.labels >= 0
    before = np.bincount(dataset.labels[labelled], minlength=classes)
    after = np.bincount(dataset.labels[labelled & ~drop], minlength=classes)
    return tuple(
        ClassCount(index, name, int(before[index]), int(after[index]))
        for index, name in enumerate(dataset.class_names)
    )


def _estimated_bytes(dataset: Dataset, drop: NDArray[np.bool_], copied: list[str]) -> int:
    folder = dataset.root if dataset.root.is_dir() else dataset.root.parent
    total = len(dataset) * _ROW_IN_LISTS
    if isinstance(dataset, ImageFolder):
        total += sum(_size(folder / dataset.paths[row]) for row in np.flatnonzero(~drop))
    elif isinstance(dataset, ManifestFolder):
        total += sum(_size(path) for path in dataset.source_files())
    else:
        share = 1 - float(drop.mean())
        sizes = sum(_size(path) for path in dataset.source_files())
        # An archive may hold other arrays, which stay whole: its size is the bound.
        total += sizes if dataset.format == "npz" else int(sizes * share)
    return total + sum(_size(folder / path) for path in copied)


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise BadInput(
            f"{shown(path)} cannot be looked at: {reason_of(error)}.",
            "The source changed since it was opened.",
            "Restore it, or open the data again.",
        ) from None


def _notes(
    dataset: Dataset,
    drop: NDArray[np.bool_],
    classes: tuple[ClassCount, ...],
    copied: list[str],
    left: list[str],
    final: Path,
) -> list[str]:
    notes = []
    if not drop.any():
        notes.append("No sample is left out: the export is a copy.")
    emptied = [count.name for count in classes if count.before and not count.after]
    if emptied:
        notes.append(f"No sample would be left of {listing(emptied)}; class indices stay.")
    if copied:
        notes.append(
            f"{count_of(len(copied), 'other file')} of the source copied unchanged "
            f"({listing(copied)}): lists among them may still name samples that are left out."
        )
    if left:
        notes.append(
            f"{count_of(len(left), 'entry', 'entries')} of the source not copied ({listing(left)})."
        )
    clash = [name for name in left if name in OWN_FILES]
    if clash:
        notes.append(f"The export writes its own {listing(clash, 4)}.")
    unfinished = [path.name for path in leftovers(final)]
    if unfinished:
        notes.append(
            f"An earlier export stopped half-way and left {listing(unfinished)}; it can be deleted."
        )
    return notes
