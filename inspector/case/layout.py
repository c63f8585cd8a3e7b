"""The folder that a case is: made whole or not at all, and told apart from other folders."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from inspector.case import lock, opening
from inspector.case.schema import flush
from inspector.errors import CaseError

DATABASE = "case.db"
DERIVED = "derived"
EXPORTS = "exports"

_UNFINISHED = re.compile(r"\..+\.partial-[0-9a-f]{8}", re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}")


def make(path: Path) -> Path:
    """Write an empty case and return its absolute path.

    It is built beside its place and renamed, so that a crash never leaves half a case there.

    Raises
    ------
    CaseError
        Something is there already, or nothing can be written there.
    """
    place = absolute(path)
    _refuse_existing(place)
    partial = place.with_name(f".{place.name}.partial-{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        for name in (DERIVED, EXPORTS):
            (partial / name).mkdir()
        opening.create(partial / DATABASE)
        flush(partial)
        # Replaces an empty folder; another process that was quicker makes it fail.
        os.rename(partial, place)
        flush(place.parent)
    except (OSError, CaseError) as error:
        why = error.why if isinstance(error, CaseError) else f"{error.strerror or error}."
        raise CaseError(
            f"The case {place} was not made.",
            why,
            "Choose a folder where you may write and that has space.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return place


def find(path: Path) -> Path:
    """Return the absolute path of an existing case.

    Raises
    ------
    CaseError
        Nothing is there, or no case.
    """
    place = absolute(path)
    try:
        if not place.exists():
            raise CaseError(
                f"There is no case at {place}.",
                "The folder does not exist.",
                "Check the path; `inspector scan --case` makes a new case.",
            )
        if not is_case(place):
            raise CaseError(
                f"{place} is not a case.",
                f"A case is a folder with a {DATABASE} in it."
                if place.is_dir()
                else "It is a file, and a case is a folder.",
                "Choose a folder that Inspector made.",
            )
    except OSError as error:
        raise CaseError(
            f"The case {place} was not opened.",
            f"{error.strerror or error}.",
            "Check the path and the rights on the folder.",
        ) from error
    return place


def is_case(path: Path) -> bool:
    """Tell whether a folder holds a case database (an ordinary file, no link)."""
    file = path / DATABASE
    return file.is_file() and not file.is_symlink()


def writable(path: Path) -> bool:
    """Tell whether a case can be opened for writing: folder, database and lock file."""
    files = [path / DATABASE, path / lock.NAME]
    return os.access(path, os.W_OK | os.X_OK) and all(
        os.access(file, os.W_OK) for file in files if file.exists()
    )


def sub_folder(parent: Path, key: str) -> Path:
    """Return a folder for derived files, made when missing.

    Raises
    ------
    CaseError
        The key is not a plain name, or the folder cannot be made.
    """
    if not _KEY.fullmatch(key):
        raise CaseError(
            f"{key[:80]!r} cannot name a folder of derived files.",
            "Names have up to 120 letters, digits and _ . -",
        )
    folder = parent / key
    try:
        parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CaseError(
            f"The folder {folder} was not made.",
            f"{error.strerror or error}.",
            "Free some space or check the rights, then do it again; nothing was lost.",
        ) from error
    if folder.is_symlink() or parent.is_symlink():
        raise CaseError(
            f"The folder {folder} was refused.",
            "It is a link, which could lead out of the case.",
            "Remove the link.",
        )
    return folder


def refuse_links(place: Path) -> None:
    """Refuse a case whose folders are links: the engine may write into whatever they lead to.

    Raises
    ------
    CaseError
        ``derived`` or ``exports`` is a link.
    """
    for name in (DERIVED, EXPORTS):
        if (place / name).is_symlink():
            raise CaseError(
                f"The case {place} was not opened.",
                f"Its folder {name} is a link, and what is written there would leave the case.",
                "Put the folder itself in the link's place, or open the case for reading.",
            )


def sweep(place: Path, spare: Collection[Path] = ()) -> None:
    """Remove what a killed process left half written; the case must be held for writing.

    Arrays under a temporary name, temporary files of engines, and unfinished exports inside the
    case but those to ``spare``. Nothing else ever has such a name, and nothing that was acknowledged
    does.
    """
    for scratch in (place / DERIVED).glob(".scratch*"):
        if not scratch.is_symlink():
            shutil.rmtree(scratch, ignore_errors=True)
    for partial in (place / DERIVED).rglob(".*.partial"):
        if not partial.is_dir():
            with suppress(OSError):
                partial.unlink()
    for unfinished in (place / EXPORTS).glob(".*.partial-*"):
        leftover = _UNFINISHED.fullmatch(unfinished.name) and not unfinished.is_symlink()
        if leftover and unfinished not in spare:
            shutil.rmtree(unfinished, ignore_errors=True)


def absolute(path: Path | str) -> Path:
    """Return a path with links resolved, whether or not it exists."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise CaseError(f"{str(path)[:200]!r} is not a path.", f"{error}.") from error


def _refuse_existing(place: Path) -> None:
    try:
        if is_case(place):
            raise CaseError(
                f"{place} is a case already.",
                "A new case would replace it.",
                "Open it, or choose another name.",
            )
        if os.path.lexists(place) and not (place.is_dir() and not any(place.iterdir())):
            raise CaseError(
                f"The case {place} was not made.",
                "Something else is there already."
                if place.is_dir()
                else "A file is there already.",
                "Choose a new or an empty folder.",
            )
    except OSError as error:
        raise CaseError(
            f"The case {place} was not made.",
            f"{error.strerror or error}.",
            "Choose a folder where you may write.",
        ) from error
