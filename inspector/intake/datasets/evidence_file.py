"""Opening evidence: never through a link, never a pipe or a device, never leaving a trace.

Every path below the evidence root is opened component by component, so that a folder swapped for
a link after the walk leads nowhere. ``O_NOATIME`` keeps the access time where we own the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_NO_ATIME = getattr(os, "O_NOATIME", 0)
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

CHUNK = 1 << 20
"""Bytes that are read at once when a file is streamed."""

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "the file is gone",
    errno.ENOTDIR: "a folder on its path is no folder any more",
    errno.ELOOP: "a symbolic link, which is not followed",
    errno.EFBIG: "the file is too large",
    errno.EIO: "the disk reports a read error",
}


def reason_of(error: OSError) -> str:
    """Return why a file could not be read, in a few words."""
    if isinstance(error, NotRegular):
        return str(error)
    return _REASONS.get(error.errno or 0) or (error.strerror or "cannot be read").lower()


class NotRegular(OSError):
    """What lies at a path is a link, a pipe, a device or a folder, or larger than allowed."""


@contextmanager
def opened(root: str | os.PathLike[str], relative: str = "") -> Iterator[int]:
    """Open a regular file for reading and yield its descriptor.

    Parameters
    ----------
    root : path
        The evidence folder, or the file itself when ``relative`` is empty. Its own path may lead
        through links: the analyst chose it.
    relative : str
        Path below ``root`` with ``/``; no component may be a link.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file (`NotRegular`). See `reason_of`.
    """
    folders = relative.split("/")
    name = folders.pop() or os.fspath(root)
    parent = _descend(root, folders) if relative else None
    try:
        descriptor = _open_regular(name, parent)
    finally:
        if parent is not None:
            os.close(parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(root: str | os.PathLike[str], relative: str = "") -> Iterator[int]:
    """Open a folder for listing (``os.scandir(descriptor)``) and yield its descriptor.

    Raises
    ------
    OSError
        It cannot be opened, or a component below ``root`` is a link.
    """
    parent = _descend(root, relative.split("/") if relative else [])
    try:
        descriptor = _open_untouched(".", _FOLDER, parent)
    finally:
        os.close(parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_file(root: str | os.PathLike[str], relative: str = "", limit: int = 1 << 26) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    Raises
    ------
    OSError
        See `opened`; `NotRegular` when it is larger than ``limit``.
    """
    with opened(root, relative) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > limit:
            raise NotRegular(f"larger than the limit of {limit / (1 << 20):,.0f} MiB")
        parts, left = [], limit + 1
        # The size is a hint: files of /proc say 0, and a file may grow while it is read.
        while left and (part := os.read(descriptor, min(left, max(size + 1, 1 << 16), 1 << 30))):
            parts.append(part)
            left -= len(part)
    if not left:
        raise NotRegular(f"larger than the limit of {limit / (1 << 20):,.0f} MiB")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def chunks(descriptor: int) -> Iterator[bytes]:
    """Yield what is left of an opened file, at most `CHUNK` bytes at a time."""
    while part := os.read(descriptor, CHUNK):
        yield part


def sha256_of(
    root: str | os.PathLike[str], relative: str = "", check: Callable[[], None] = lambda: None
) -> bytes:
    """Return the SHA-256 of a regular file of any size, 32 bytes.

    ``check`` is called between chunks and may raise, to stop.

    Raises
    ------
    OSError
        See `opened`.
    """
    digest = hashlib.sha256()
    with opened(root, relative) as descriptor:
        for part in chunks(descriptor):
            check()
            digest.update(part)
    return digest.digest()


def _descend(root: str | os.PathLike[str], folders: list[str]) -> int:
    current = os.open(root, _STEP & ~os.O_NOFOLLOW)
    for folder in folders:
        try:
            deeper = os.open(folder, _STEP, dir_fd=current)
        finally:
            os.close(current)
        current = deeper
    return current


def _open_regular(name: str, parent: int | None) -> int:
    # Looking before opening keeps us from waking a device or a tape by opening it.
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise NotRegular("a symbolic link, which is not followed")
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular("not a regular file")
    descriptor = _open_untouched(name, _FILE, parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular("not a regular file")
    return descriptor


def _open_untouched(name: str, flags: int, parent: int | None) -> int:
    try:
        return os.open(name, flags | _NO_ATIME, dir_fd=parent)
    except PermissionError as error:
        # Only the owner may ask for O_NOATIME; the others read and leave an access time.
        if error.errno != errno.EPERM:
            raise
        return os.open(name, flags, dir_fd=parent)
