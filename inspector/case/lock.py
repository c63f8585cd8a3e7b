"""One process per case: a lock that dies with its holder and can say who that is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

from inspector.errors import CaseError

NAME = "case.lock"


class CaseLock:
    """A held lock; `release` lets go of it, and so does the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next process in. Harmless when called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def hold(folder: Path) -> CaseLock:
    """Take a case for writing, alone.

    Raises
    ------
    CaseError
        Another process has it; the message names process, computer and time.
    OSError
        The folder does not let us write.
    """
    descriptor = _open(folder, os.O_RDWR | os.O_CREAT)
    try:
        _flock(descriptor, fcntl.LOCK_EX, folder)
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(note).encode("ascii"), 0)
        except OSError:
            # A full disk: the lock itself needs no space, only the message of the next one is less.
            pass
    except BaseException:
        os.close(descriptor)
        raise
    return CaseLock(descriptor)


def share(folder: Path) -> CaseLock:
    """Take a case for reading, beside other readers; a case without a lock file needs none.

    Raises
    ------
    CaseError
        Another process has it open for writing.
    """
    try:
        descriptor = _open(folder, os.O_RDONLY)
    except OSError:
        return CaseLock(-1)
    try:
        _flock(descriptor, fcntl.LOCK_SH, folder)
    except BaseException:
        os.close(descriptor)
        raise
    return CaseLock(descriptor)


def _open(folder: Path, mode: int) -> int:
    # A case may come from someone else: a link or a pipe in place of the file must not be followed.
    flags = mode | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(folder / NAME, flags, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CaseError(
            f"The case {folder} was not opened.",
            f"Its {NAME} is not an ordinary file.",
            f"Remove {NAME} if you trust the rest.",
        )
    return descriptor


def _flock(descriptor: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CaseError(
            f"The case {folder} is already open.",
            f"{_holder(descriptor)} holds it.",
            "Close it there first; nothing was changed.",
        ) from None
    except OSError:
        # Some network shares know no flock; SQLite's own exclusive lock then stands guard alone.
        pass


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        pid, host, time = int(note["pid"]), str(note["host"])[:255], str(note["time"])[:40]
    except (ValueError, TypeError, KeyError, OSError, RecursionError):
        return "Another process"
    if not (host + time).isprintable():
        return "Another process"
    return f"Process {pid} on {host}, since {time},"
