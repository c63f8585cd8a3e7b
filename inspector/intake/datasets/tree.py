"""A walk over a hostile folder that follows no link, wakes no device and always ends."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from inspector.errors import BadInput
from inspector.intake.datasets.evidence_file import opened_folder, reason_of
from inspector.intake.datasets.names import shown
from inspector.intake.limits import advice, limit, told

MAX_DEPTH = 32


@dataclass
class Tree:
    """What a folder holds; paths are relative with ``/``, in component-wise sorted order.

    Attributes
    ----------
    files, folders : list of str
        Regular files; folders without the root itself.
    links, specials : list of str
        Symbolic links; pipes, sockets and devices. Neither was touched.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    specials: list[str] = field(default_factory=list)


def walk(root: Path, most: int | None = None) -> Tree:
    """List everything below a folder.

    Parameters
    ----------
    root : Path
    most : int, optional
        Entries to list; as the limit folder-entries says by default.

    Raises
    ------
    BadInput
        A folder cannot be listed, or the tree is deeper than `MAX_DEPTH` or larger than
        the limit folder-entries.
    """
    tree = Tree()
    waiting = [""]
    count = 0
    while waiting:
        folder = waiting.pop()
        prefix = folder + "/" if folder else ""
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    count += 1
                    path = prefix + entry.name
                    if entry.is_symlink():
                        tree.links.append(path)
                    elif entry.is_dir(follow_symlinks=False):
                        tree.folders.append(path)
                        waiting.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        tree.files.append(path)
                    else:
                        tree.specials.append(path)
        except OSError as error:
            where = shown(root / folder)
            raise BadInput(
                f"The folder {where} cannot be listed: {reason_of(error)}.",
                "Samples in it would be missing from the scan without a trace.",
                "Give yourself permission to read it, or leave it out of a copy of the data.",
            ) from None
        if count > (most or limit("folder-entries")):
            raise BadInput(
                f"The folder {shown(root)} holds more than {told('folder-entries')}.",
                "Open the folder of the training images itself.",
                advice("folder-entries"),
            )
        if folder.count("/") >= MAX_DEPTH:
            raise BadInput(
                f"The folder {shown(root)} is nested more than {MAX_DEPTH} levels deep.",
                "An image folder has one or two levels.",
                "Open the folder of the training images itself.",
            )
    for paths in (tree.files, tree.folders, tree.links, tree.specials):
        paths.sort(key=components)
    return tree


def components(path: str) -> list[str]:
    """Return the sort key that keeps a folder together: ``cat/1`` before ``cat-wild/1``."""
    return path.split("/")
