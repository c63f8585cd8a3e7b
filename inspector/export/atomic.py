"""Folders that appear complete or not at all, and survive a power cut once they do."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspector.errors import CaseError
from inspector.intake.datasets.names import shown

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_NAME_LIMIT = 255

CONTENT = "content"
"""Name within the hidden folder of what becomes the export."""

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "Free space, or choose another disk."),
    errno.EDQUOT: ("your disk quota is used up", "Free space, or choose another disk."),
    errno.EFBIG: ("a file became larger than allowed here", "Choose another disk."),
    errno.EROFS: ("the disk is read-only", "Choose another disk."),
    errno.EACCES: ("permission denied", "Choose a folder of your own."),
    errno.EPERM: ("permission denied", "Choose a folder of your own."),
    errno.EIO: ("the disk reports an error", "Check the disk, or choose another."),
    errno.EEXIST: ("something of that name appeared meanwhile", "Give another name."),
    errno.ENAMETOOLONG: ("a name is too long for this disk", "Choose a shorter name."),
}


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``target`` that takes its name when the block ends well.

    Parameters
    ----------
    target : Path
        Folder that must not exist; its parent must.

    Yields
    ------
    Path
        An empty folder in ``.NAME.partial-XXXXXXXX``, which lies in the same parent, so that the
        rename stays on one disk. What else is put beside it, into that hidden folder, goes with it.

    Raises
    ------
    CaseError
        Writing failed: disk full, no permission, a name that appeared meanwhile. Nothing is left
        under ``target``, and the hidden folder is removed, as after any other exception.
    """
    partial = target.with_name(_partial_name(target.name))
    folder = partial / CONTENT
    with writing(target, partial):
        os.mkdir(partial)
        try:
            os.mkdir(folder)
            with _held(partial):
                yield folder
            # Whoever filled it may have put a link in its place.
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise OSError(errno.ENOTDIR, "its folder was replaced")
            _flush(folder)
            _rename_without_replacing(folder, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    shutil.rmtree(partial, ignore_errors=True)
    # The data is on the disk and under its name; that the name is too is all this adds.
    with suppress(OSError):
        _flush_folder(target.parent)


@contextmanager
def writing(target: Path, partial: Path | None = None) -> Iterator[None]:
    """Say in our words why something could not be written.

    Parameters
    ----------
    target : Path
        What was to be there in the end.
    partial : Path, optional
        The hidden folder that must be gone then.

    Raises
    ------
    CaseError
        In place of every OSError.
    """
    try:
        yield
    except OSError as error:
        cause, fix = cause_of(error)
        rest = (
            f"The unfinished folder {shown(partial)} could not be removed: delete it."
            if partial is not None and os.path.lexists(partial)
            else "Nothing was left behind."
        )
        raise CaseError(f"{shown(target)} was not written: {cause}.", rest, fix) from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder, so that nobody takes it for the leftover of a crash; a crash lets go."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems know no locks: then the name alone must do.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_abandoned(folder: Path) -> bool:
    """Tell whether a partial folder belongs to no export that still runs."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return True


def cause_of(error: OSError) -> tuple[str, str]:
    """Return why something could not be written, in a few words, and what to do about it."""
    return _CAUSES.get(
        error.errno or 0,
        ((error.strerror or "an error of the system").lower(), "Choose another place."),
    )


def _partial_name(name: str) -> str:
    suffix = f".partial-{secrets.token_hex(4)}"
    room = _NAME_LIMIT - len(suffix) - 1
    return "." + os.fsdecode(os.fsencode(name)[:room]) + suffix


def _libc_function(name: str) -> Callable[..., int] | None:
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)  # type: ignore[no-any-return]
    except (AttributeError, OSError):
        return None


def _rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a folder, never over another: plain rename replaces an empty folder silently."""
    renameat2 = _libc_function("renameat2")
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


def _flush(folder: Path) -> None:
    """Bring everything written to this disk onto it: one syncfs, not an fsync for each file."""
    syncfs = _libc_function("syncfs")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
