"""Reports on the disk: a new file, whole or not at all, never in the evidence."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from inspector.case import Case
from inspector.errors import BadInput, CaseError
from inspector.export.atomic import cause_of
from inspector.export.files import new_file
from inspector.intake.datasets.names import shown

FORMATS = (".html", ".pdf", ".json")


def check_report_target(case: Case, target: Path) -> None:
    """Refuse a place that a report must not be written to.

    Raises
    ------
    BadInput
        The name does not end in one of `FORMATS`, the folder is missing, or the place lies in the
        evidence or among the case's derived arrays.
    """
    if target.suffix.lower() not in FORMATS:
        raise BadInput(
            f"{shown(target)} does not say what to write.",
            f"A report is one of {', '.join(FORMATS)}.",
            "Give a name with one of these endings.",
        )
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


def write_report(target: Path, content: bytes, *, replace: bool = False) -> str:
    """Write a file that appears whole or not at all, and return its SHA-256.

    Parameters
    ----------
    target : Path
        Passed by `check_report_target`.
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
            "A report never writes over something that is there.",
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


def record_report(case: Case, target: Path, sha256: str, head: str) -> None:
    """Note in the journal what was written and which head it shows; a read-only case has none."""
    if not case.read_only:
        case.journal.append("reported", target=str(target), sha256=sha256, head=head)


def _link_or_rename(partial: Path, target: Path) -> None:
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(17, os.strerror(17), str(target)) from None
        os.rename(partial, target)
