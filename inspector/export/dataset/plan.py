"""What an export would write, worked out and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.export.dataset.companions import companions, descriptions
from inspector.export.filled import OWN_FILES, ClassCount
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import reason_of
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.manifest import ManifestFolder
from inspector.intake.datasets.names import count_of, listing, shown

_ROW_IN_LISTS = 200
"""Bytes that a sample takes in kept.csv, removed.csv and the manifest, roughly."""


@dataclass(frozen=True)
class ExportPlan:
    """A checked intention to write a cleaned copy.

    Attributes
    ----------
    dataset : Dataset
        The source.
    drop : ndarray, shape (n,), bool
        Samples to leave out; read-only.
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
    dataset: Dataset, drop: NDArray[np.bool_], *, digest: str | None = None
) -> ExportPlan:
    """Check a wish to export and say what it would write; where to is `checked_target`'s to check.

    Parameters
    ----------
    dataset : Dataset
        The source, just opened.
    drop : ndarray, shape (n,), bool
        True for samples to leave out.
    digest : str, optional
        `Dataset.digest` at the time of the scan. Where it differs now, the tags would fall on
        other samples, and the export is refused.

    Raises
    ------
    BadInput
        Nothing would remain, or the data changed.
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
        classes,
        _estimated_bytes(dataset, drop, copied),
        tuple(copied),
        tuple(left),
        tuple(_notes(dataset, drop, classes, copied, left)),
    )


def plan_quarantine(plan: ExportPlan) -> ExportPlan:
    """Return the plan of the set that a cleaned copy leaves out, in the same format.

    Files that say how to read the samples go along; other splits and other files stay with the
    cleaned copy.

    Parameters
    ----------
    plan : ExportPlan
        Of the cleaned copy.
    """
    drop = ~plan.drop
    drop.flags.writeable = False
    classes = _class_counts(plan.dataset, drop)
    along = tuple(descriptions(plan.dataset, list(plan.companions)))
    size = _estimated_bytes(plan.dataset, drop, list(along))
    return ExportPlan(plan.dataset, drop, classes, size, along, (), (), quarantine=True)


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
    return notes
