"""Giving a folder its name: never over another, and on the disk when it has it."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def libc_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, where it has it."""
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)  # type: ignore[no-any-return]
    except (AttributeError, OSError):
        return None


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a folder, never over another: plain rename replaces an empty folder silently.

    Raises
    ------
    OSError
        Something has that name already, or the system refuses.
    """
    renameat2 = libc_function("renameat2")
    if renameat2 is not None:
        paths = os.fsencode(source), os.fsencode(target)
        if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code), str(target))
    # File systems without the flag: take the name first, then replace our own empty folder.
    os.mkdir(target)
    try:
        os.rename(source, target)
    except OSError:
        os.rmdir(target)
        raise


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder onto the disk.

    Raises
    ------
    OSError
        The system refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
