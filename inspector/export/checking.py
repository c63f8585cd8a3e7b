"""What an export must be as it lies on the disk, whoever wrote it."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from inspector.errors import BadInput, CaseError
from inspector.intake.datasets.tree import walk
from inspector.intake.limits import LIMITS


def check_lists(folder: Path, expected: Mapping[str, Sequence[int]]) -> None:
    """Prove from the lists as written that they name these rows, and together no row twice.

    Parameters
    ----------
    folder : Path
        The export.
    expected : mapping of str to sequence of int
        Rows by the name of the list.

    Raises
    ------
    CaseError
        They do not.
    """
    seen: set[int] = set()
    for name, rows in expected.items():
        try:
            with open(folder / name, encoding="utf-8", newline="") as file:
                found = [int(row["index"]) for row in csv.DictReader(file)]
        except (csv.Error, LookupError, TypeError, ValueError) as error:
            raise differs(f"{name} is no list of samples") from error
        if found != list(rows) or seen.intersection(found):
            raise differs(f"{name} does not name the samples that it should")
        seen.update(found)


def plain_files(folder: Path) -> list[str]:
    """Return the paths of all files below an export: plain ones, with one name each.

    Raises
    ------
    CaseError
        It holds links, devices or files with further names elsewhere: nothing of ours makes such.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise differs("its folder was replaced")
    try:
        tree = walk(folder, most=LIMITS["folder-entries"].ceiling)
    except BadInput as error:
        raise differs(error.what.rstrip(".")) from error
    if odd := [*tree.links, *tree.specials]:
        raise differs(f"it holds {len(odd):,} links or devices")
    for path in tree.files:
        status = os.lstat(folder / path)
        if status.st_nlink != 1 or status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            raise differs("one of its files has a further name or special rights")
    return tree.files


def differs(how: str) -> CaseError:
    """Return the refusal of an export that is not what it should be when read back."""
    return CaseError(
        f"The export was not kept: {how}.",
        "Something went wrong while writing or reading back.",
        "Try again, on another disk if it happens twice.",
    )
