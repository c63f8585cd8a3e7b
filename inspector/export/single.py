"""One file of an export: new, whole or not at all, never in the evidence."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from inspector.case import Case
from inspector.errors import BadInput, CaseError
from inspector.export.atomic import cause_of
from inspector.export.new_file import new_file
from inspector.intake.datasets.names import shown


def check_place(case: Case, target: Path) -> None:
    """Refuse a place that nothing must be written to.

    Raises
    ------
    BadInput
        The folder is missing, or lies in the evidence or among the case's derived arrays.
    """
    if not target.parent.is_dir():
        raise BadInput(
            f"{shown(target)} cannot be created: the folder above it does not exist.",
            "",
            f"Create {shown(target.parent)} first, or choose another place.",
        )
    place = Path(os.path.realpath(target))
    guarded = [Path(os.path.realpath(item.path)) for item in case.evidence()]
    if any(place.is_relative_to(folder) for folder in guarded):
        raise BadInput(
            f"{shown(target)} lies in the evidence.",
            "Evidence is never written to.",
            "Choose a place outside of it.",
        )
    if place.is_relative_to(Path(os.path.realpath(case.derived))):
        raise BadInput(
            f"{shown(target)} lies among the case's derived arrays.",
            "They are the engine's to write.",
            f"Choose another folder, for example {shown(case.exports)}.",
        )


def write_file(target: Path, content: bytes, *, replace: bool = False) -> str:
    """Write a file that appears whole or not at all, and return its SHA-256.

    Parameters
    ----------
    target : Path
        Passed by `check_place`.
    content : bytes
    replace : bool
        Whether a file of that name may be replaced: only after the analyst agreed.

    Raises
    ------
    BadInput
        Something of that name is there.
    CaseError
        It cannot be written: disk full, no permission. Nothing is left behind.
    """
    if not replace and os.path.lexists(target):
        raise BadInput(
            f"{shown(target)} already exists.",
            "Nothing that is there is ever written over.",
            "Give a name that does not exist yet.",
        )
    partial = target.with_name(f".{target.name[:200]}.partial-{secrets.token_hex(4)}")
    try:
        with new_file(partial) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if partial.read_bytes() != content:
            raise OSError(0, "what was written reads back differently")
        if replace:
            os.replace(partial, target)
        else:
            # Unlike a rename, a link never takes the place of what appeared meanwhile.
            _link_or_rename(partial, target)
    except OSError as error:
        cause, fix = cause_of(error)
        raise CaseError(f"{shown(target)} was not written: {cause}.", "", fix) from error
    finally:
        with suppress(OSError):
            os.unlink(partial)
    return hashlib.sha256(content).hexdigest()


def _link_or_rename(partial: Path, target: Path) -> None:
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(17, os.strerror(17), str(target)) from None
        os.rename(partial, target)
