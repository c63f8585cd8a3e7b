"""Exports that are whole but not yet named: noted before, finished after a crash.

The folders of an export get their names one after the other, and the journal hears of it last. So
that a process that is killed in between leaves nothing half done, a note says before the first name
what is about to have one. Whoever opens the case next goes through with it, or says what stands.

The note lies in Inspector's state folder, never in the case: a case may come from somebody else, and
what it says must not rename anything.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector import places
from inspector.case.exports import is_whole
from inspector.case.journal import Journal
from inspector.case.renaming import flush_folder, rename_without_replacing
from inspector.errors import CaseError

CUT_OFF = "export cut off"

_ACTS = ("exported", "quarantined")


@dataclass(frozen=True)
class SealedFolder:
    """One folder of an export.

    Attributes
    ----------
    act : str
        "exported" or "quarantined": what the journal says once it has its name.
    target : Path
        Its name.
    hidden : Path
        Where it was filled: ``.NAME.partial-XXXXXXXX/content`` in the same parent.
    details : mapping
        For that entry; ``manifest_sha256`` is among them.
    """

    act: str
    target: Path
    hidden: Path
    details: Mapping[str, Any]

    def lies_at(self, place: Path) -> bool:
        """Tell whether the folder lies there, with every file that its manifest lists."""
        return is_whole(place, str(self.details["manifest_sha256"]))


@dataclass(frozen=True)
class Note:
    """What is about to have its name.

    Attributes
    ----------
    file : Path
        Where that is written down; deleted when it is done.
    folders : tuple of SealedFolder
        The quarantine last.
    """

    file: Path
    folders: tuple[SealedFolder, ...]

    @property
    def what(self) -> str:
        """The export in words."""
        return f"The export {_shown(self.folders[0].target)}"

    def standing(self) -> list[str]:
        """Return the names under which something lies."""
        return [_shown(one.target) for one in self.folders if os.path.lexists(one.target)]

    def has_begun(self) -> bool:
        """Tell whether one of the folders has its name; a stranger's may be in the way."""
        return any(one.lies_at(one.target) for one in self.folders)

    def drop(self) -> None:
        """Forget it."""
        with suppress(OSError):
            self.file.unlink()


def announce(journal: Journal, case: Path, folders: list[SealedFolder]) -> Note:
    """Write down what is about to get its name; it is on the disk when this returns.

    An export does not fail for a state folder that cannot be written: then nobody finishes it if
    this process is killed within the next moments.
    """
    place = _notes()
    note = Note(place / f"{secrets.token_hex(8)}.json", tuple(folders))
    text = json.dumps(
        {
            **_identity(journal, case),
            "folders": [
                {
                    "act": one.act,
                    "target": str(one.target),
                    "hidden": str(one.hidden),
                    "details": dict(one.details),
                }
                for one in folders
            ],
        }
    )
    fresh = note.file.with_suffix(".new")
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        with open(fresh, "x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, note.file)
        flush_folder(place)
    return note


def record_named(journal: Journal, note: Note) -> None:
    """Record exports that have their names, and forget the note."""
    with journal.transaction():
        for one in note.folders:
            journal.append(one.act, **{**one.details, "target": str(one.target)})
    note.drop()


def unfinished(journal: Journal, case: Path) -> list[Note]:
    """Return what was announced for a case and is neither recorded nor given up."""
    files = sorted(_notes().glob("*.json"))
    if not files:
        return []
    found = []
    try:
        wanted = _identity(journal, case)
    except CaseError:
        return []  # A case without a beginning has announced nothing.
    for file in files:
        try:
            said = json.loads(file.read_text(encoding="ascii"))
            if {key: said[key] for key in wanted} == wanted:
                found.append(Note(file, tuple(_folder(row) for row in said["folders"])))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return [note for note in found if note.folders]


def cut_off(journal: Journal, case: Path) -> Iterator[str]:
    """Yield in words what `finish` would do something about; none where nothing has its name."""
    for note in unfinished(journal, case):
        named = note.standing()
        if named and not _recorded(journal, note):
            yield (
                f"{note.what} was cut off while it got its name: {' and '.join(named)} "
                f"{'lies' if len(named) == 1 else 'lie'} there unrecorded. Open the case to finish it."
            )


def finish(journal: Journal, case: Path) -> list[str]:
    """Go through with what a killed process left, and return what was done, one sentence each.

    Parameters
    ----------
    journal : Journal
        Of a case that nobody else has open for writing.
    case : Path
        The case's folder.

    Notes
    -----
    What cannot be finished stays as it is, and is recorded with the reason. Where the disk of an
    export is away, or the case's own is full, it waits for the next opening.
    """
    said = []
    for note in unfinished(journal, case):
        try:
            sentence = _settle(journal, note)
        except (OSError, CaseError) as error:
            reason = str(getattr(error, "strerror", None) or error).rstrip(".")
            sentence = (
                f"{note.what} was cut off while it got its name, and cannot be finished now: "
                f"{reason}. Open the case again when that is mended."
            )
        said += [sentence] if sentence else []
    return said


def _settle(journal: Journal, note: Note) -> str:
    if _recorded(journal, note):
        _clear_away(note)
        return ""
    if any(not os.path.isdir(one.target.parent) for one in note.folders):
        return (
            f"{note.what} was cut off while it got its name, and its disk cannot be reached: open "
            "the case again when it can."
        )
    named = [one for one in note.folders if one.lies_at(one.target)]
    waiting = [one for one in note.folders if one not in named]
    if not note.standing():
        why = "it was cut off before it had its name"
    elif not named:
        why = "what lies under its name is not what was written"
    elif any(os.path.lexists(one.target) for one in waiting):
        why = "something else lies under that name"
    elif not all(one.lies_at(one.hidden) for one in waiting):
        why = "the part without its name was changed or deleted"
    else:
        for one in waiting:
            rename_without_replacing(one.hidden, one.target)
            flush_folder(one.target.parent)
        record_named(journal, note)
        _clear_away(note)
        return (
            f"{note.what} had been cut off while it got its name; it is finished now, and recorded."
        )
    standing = note.standing()
    journal.append(CUT_OFF, target=str(note.folders[0].target), why=why, standing=standing)
    note.drop()
    rest = (
        f"{' and '.join(standing)} {'stays' if len(standing) == 1 else 'stay'} unchanged and "
        "unrecorded: look what is there, then delete it and export again."
        if standing
        else "Nothing of it is left under its names: export again."
    )
    return f"{note.what} was not finished: {why}. {rest}"


def _recorded(journal: Journal, note: Note) -> bool:
    """Tell whether it was the last step alone, forgetting the note, that was cut off."""
    first = note.folders[0]
    # No two exports have one manifest: the head of the journal stands in what it lists.
    return any(
        entry.details.get("manifest_sha256") == first.details["manifest_sha256"]
        for entry in journal.of_act(first.act)
    )


def _clear_away(note: Note) -> None:
    for one in note.folders:
        if not os.path.lexists(one.hidden):
            shutil.rmtree(one.hidden.parent, ignore_errors=True)
    note.drop()


def _identity(journal: Journal, case: Path) -> dict[str, str]:
    # A state folder may be shared by machines, on which another case lies under that path.
    return {
        "case": os.path.realpath(case),
        "case_id": journal.entry(1).hash,
        "machine": platform.node(),
    }


def _folder(row: Mapping[str, Any]) -> SealedFolder:
    one = SealedFolder(row["act"], Path(row["target"]), Path(row["hidden"]), dict(row["details"]))
    ours = one.hidden.name == "content" and one.hidden.parent.parent == one.target.parent
    if one.act not in _ACTS or not ours or not isinstance(one.details["manifest_sha256"], str):
        raise ValueError
    return one


def _notes() -> Path:
    return places.user_state() / "exports"


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else ascii(str(path))
