"""The folder that an export makes: where it may lie, and what an earlier one left beside it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from inspector.errors import BadInput, CaseError
from inspector.export.atomic import is_abandoned
from inspector.intake.datasets.evidence_file import reason_of
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.tree import walk
from inspector.intake.limits import LIMITS

_MOST = LIMITS["folder-entries"].ceiling
"""Entries that are looked at: nothing of them is kept, so the highest limit will do."""
_EFFECTIVE = os.access in os.supports_effective_ids


def checked_target(sources: Sequence[Path], target: str | os.PathLike[str]) -> Path:
    """Return the path of a folder that may be made.

    Parameters
    ----------
    sources : sequence of Path
        Files and folders that the dataset is read from.
    target : path
        Folder to create. It must not exist; its parent must.

    Raises
    ------
    BadInput
        The target exists, lies in or around a source, or cannot be created there.
    """
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
    for source in sources:
        _refuse_overlap(Path(os.path.realpath(source)), parent, final)
    if not os.access(parent, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise BadInput(
            f"{shown(final)} cannot be created: no permission to write into {shown(parent)}.",
            "",
            "Choose a folder of your own.",
        )
    return final


def refuse_nested(final: Path, other: Path) -> None:
    """Refuse a quarantine in or around the cleaned dataset.

    Raises
    ------
    BadInput
        One lies in the other, or they are the same.
    """
    if final == other or other in final.parents or final in other.parents:
        raise BadInput(
            f"{shown(final)} lies in or around the cleaned dataset.",
            "What was removed would be among what was kept.",
            "Choose a folder beside it.",
        )


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


def _refuse_overlap(source: Path, parent: Path, final: Path) -> None:
    """Compare by path and by inode: a bind mount shows the source under another path."""
    overlaps = source == final or source.is_relative_to(final) or final.is_relative_to(source)
    if not overlaps and source.is_dir():
        above = {_identity(folder) for folder in (parent, *parent.parents)}
        inside = (source / folder for folder in ("", *walk(source, most=_MOST).folders))
        overlaps = any(_identity(folder) in above for folder in inside)
    if overlaps:
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
