"""Folders that appear complete or not at all, and survive a power cut once they do."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from inspector.case import renaming
from inspector.errors import CaseError
from inspector.intake.datasets.names import shown

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


@dataclass(frozen=True)
class Hidden:
    """A folder that is filled under a hidden name, beside its final one.

    Attributes
    ----------
    target : Path
        The name that it is to have.
    partial : Path
        ``.NAME.partial-XXXXXXXX`` in the same parent, so that the rename stays on one disk. What
        is put into it beside `folder` goes with it.
    """

    target: Path
    partial: Path

    @property
    def folder(self) -> Path:
        """What becomes the folder ``target``."""
        return self.partial / CONTENT

    def settle(self) -> None:
        """Bring all of it onto the disk.

        Raises
        ------
        OSError
            The disk refuses, or something else lies in the folder's place.
        """
        # Whoever filled it may have put a link in its place.
        if not stat.S_ISDIR(os.lstat(self.folder).st_mode):
            raise OSError(errno.ENOTDIR, "its folder was replaced")
        _flush(self.folder)

    def appear(self) -> None:
        """Give it its name.

        Raises
        ------
        OSError
            The name is taken meanwhile, or the disk refuses.
        """
        renaming.rename_without_replacing(self.folder, self.target)
        # The data is on the disk and under its name; that the name is too is all this adds.
        with suppress(OSError):
            renaming.flush_folder(self.target.parent)

    @property
    def named(self) -> bool:
        """Whether it has its name."""
        return not os.path.lexists(self.folder)

    def disappear(self) -> None:
        """Take its name away again: a deletion that is cut off leaves no half of it in sight.

        Raises
        ------
        OSError
            The disk refuses.
        """
        renaming.rename_without_replacing(self.target, self.folder)


@contextmanager
def hidden(target: Path) -> Iterator[Hidden]:
    """Make a hidden folder for a block to fill; what lies there still at its end is removed.

    Parameters
    ----------
    target : Path
        Folder that must not exist; its parent must.

    Yields
    ------
    Hidden
        Its folder is empty.

    Raises
    ------
    CaseError
        In place of every OSError of the block: disk full, no permission, a name that appeared
        meanwhile.
    """
    made = Hidden(target, target.with_name(_partial_name(target.name)))
    with writing(target, made.partial):
        os.mkdir(made.partial)
        try:
            os.mkdir(made.folder)
            with _held(made.partial):
                yield made
        finally:
            shutil.rmtree(made.partial, ignore_errors=True)


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
        An empty folder.

    Raises
    ------
    CaseError
        Writing failed: disk full, no permission, a name that appeared meanwhile. Nothing is left
        under ``target``, and the hidden folder is removed, as after any other exception.
    """
    with hidden(target) as made:
        yield made.folder
        made.settle()
        made.appear()


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


def _flush(folder: Path) -> None:
    """Bring everything written to this disk onto it: one syncfs, not an fsync for each file."""
    syncfs = renaming.libc_function("syncfs")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
