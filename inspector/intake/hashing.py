"""Reading evidence files: regular files only, never through a link, hashed as they are read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspector.api import Control
from inspector.errors import BadInput

CHUNK = 4 * 1024 * 1024
"""Bytes between two looks at the control: well under 0.3 s on a slow disk."""


@dataclass(frozen=True)
class FileDigest:
    """What a file was when it was read.

    Attributes
    ----------
    path : Path
        The path as given.
    sha256 : str
        Hexadecimal SHA-256 of the content.
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change, nanoseconds since 1970.
    """

    path: Path
    sha256: str
    size: int
    mtime_ns: int


def open_regular(path: Path) -> int:
    """Open a regular file for reading and return its descriptor.

    The last part of the path must not be a symbolic link: what is hashed is what was named. A FIFO
    or a device is refused without waiting for it.

    Raises
    ------
    BadInput
        The file is missing, not readable, a link, or no regular file.
    """
    path = Path(path)
    try:
        if path.is_symlink():
            raise BadInput(
                f"{path} is a symbolic link.",
                "Evidence is recorded under the file that holds it.",
                f"Give the file itself: {os.path.realpath(path)}",
            )
        descriptor = _open_untouched(path)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist.", fix="Check the spelling of the path.") from None
    except PermissionError:
        raise BadInput(
            f"{path} cannot be opened.",
            "This account may not read it.",
            "Change its permissions, or copy it to a place that you may read.",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"{path} cannot be opened.", f"{reason}.") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise BadInput(f"{path} is {kind}.", fix="Give the path of one file.")
    return descriptor


def _open_untouched(path: Path) -> int:
    # O_NOFOLLOW closes the gap between the look before and this call; O_NONBLOCK keeps a FIFO from
    # hanging the engine.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        # Only the owner may keep a look out of the file's times; others read and leave one.
        return os.open(path, flags)


def sha256_file(path: Path, control: Control | None = None) -> FileDigest:
    """Hash a regular file without keeping it in memory.

    Raises
    ------
    BadInput
        The file cannot be opened, or changed while it was read.
    """
    path, control = Path(path), control or Control()
    digest = hashlib.sha256()
    with os.fdopen(open_regular(path), "rb", buffering=0) as file, _readable(path):
        before = os.fstat(file.fileno())
        scratch = memoryview(bytearray(CHUNK))
        done = 0
        # Not further than its size: a file that grows for ever must not be followed.
        while done <= before.st_size and (count := file.readinto(scratch)):
            control.check()
            digest.update(scratch[:count])
            done += count
        _unchanged(path, before, os.fstat(file.fileno()), done)
    return FileDigest(path, digest.hexdigest(), done, before.st_mtime_ns)


def read_regular(
    path: Path, limit: int, control: Control | None = None
) -> tuple[bytes, FileDigest]:
    """Read a regular file once; the digest is that of exactly the returned bytes.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        Bytes; a larger file is refused before it is read.

    Raises
    ------
    BadInput
        The file cannot be opened, is too large, or changed while it was read.
    """
    with read_hashing(path, limit, control) as (content, digest):
        return content, digest.result()


@contextmanager
def read_hashing(
    path: Path, limit: int, control: Control | None = None, advice: str = ""
) -> Iterator[tuple[bytes, Future[FileDigest]]]:
    """Read a regular file once, and hash it in a second thread while its bytes are looked at.

    Parameters and errors are those of `read_regular`; ``advice`` says what to do about a larger file.

    Yields
    ------
    content : bytes
        The whole file.
    digest : Future of FileDigest
        That of exactly these bytes, as soon as it is known.
    """
    path, control = Path(path), control or Control()
    with os.fdopen(open_regular(path), "rb") as file, _readable(path):
        before = os.fstat(file.fileno())
        if before.st_size > limit:
            raise BadInput(
                f"{path} has {before.st_size:,} bytes.",
                f"At most {limit:,} are read from one file of this kind.",
                advice,
            )
        # In one call: chunks that are joined afterwards would hold a large file twice.
        content = file.read(before.st_size + 1)
        _unchanged(path, before, os.fstat(file.fileno()), len(content))

    def hashed() -> FileDigest:
        digest = hashlib.sha256()
        view = memoryview(content)
        for start in range(0, len(content), CHUNK):
            control.check()
            digest.update(view[start : start + CHUNK])
        return FileDigest(path, digest.hexdigest(), len(content), before.st_mtime_ns)

    with ThreadPoolExecutor(1, "hashing") as hashing:
        yield content, hashing.submit(hashed)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read to its end.", f"{error.strerror}.", "Check the disk."
        ) from None
    except MemoryError:
        raise BadInput(
            f"{path} does not fit into memory.", fix="Use a machine with more memory."
        ) from None


def _unchanged(path: Path, before: os.stat_result, after: os.stat_result, read: int) -> None:
    if (read, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise BadInput(
            f"{path} changed while it was read.",
            "Its digest would belong to no state of the file.",
            "Wait until nothing writes to it, then open it again.",
        )
