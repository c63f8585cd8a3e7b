"""Open and make files below a folder that came from somebody else; no link is ever followed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO


def open_inside(folder: Path, relpath: str) -> BinaryIO:
    """Open an ordinary file below ``folder`` for reading.

    Parameters
    ----------
    folder : Path
    relpath : str
        With forward slashes, without ``..``.

    Raises
    ------
    OSError
        Missing, a link on the way, or no ordinary file.
    """
    parts = PurePosixPath(relpath).parts
    if not parts or relpath.startswith("/") or ".." in parts or "\0" in relpath:
        raise OSError(errno.EINVAL, "The path leads elsewhere")
    at = None
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part, flags, dir_fd=at)
            os.close(at)
            at = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(parts[-1], flags, dir_fd=at)
    finally:
        if at is not None:
            os.close(at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is not an ordinary file")
    return os.fdopen(descriptor, "rb")


def new_file(path: Path) -> BinaryIO:
    """Open a new file for writing in place of what a crash, or somebody else, left under its name.

    Parameters
    ----------
    path : Path
        A temporary name; a link there is removed, what it leads to stays as it is.

    Raises
    ------
    OSError
        It cannot be made.
    """
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "wb")


def files_inside(folder: Path) -> set[str]:
    """Return the relative paths of everything below a folder that is no folder itself."""
    found: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=False):
        below = Path(parent).relative_to(folder)
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        found.update((below / name).as_posix() for name in (*files, *linked))
    return found
