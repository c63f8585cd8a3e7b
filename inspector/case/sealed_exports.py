"""Exports that are whole but not yet named: noted before, finished or undone after a crash.

The folders of an export get their names one after the other, and the journal hears of it last. So
that a process that is killed in between leaves nothing half done, the journal says before the first
name what is about to have one ("export sealed"), and a word of that entry lies beside the hidden
folder. Whoever opens the case next goes through with it, or takes it back, and says so.

A case may come from somebody else. Nothing outside of it is renamed unless that word lies there,
which only this program's own export can have written.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.case.exports import is_whole
from inspector.case.inside import open_inside
from inspector.case.journal import Entry, Journal
from inspector.case.renaming import flush_folder, rename_without_replacing

SEALED = "export sealed"
UNDONE = "export undone"
WORD = "sealed"
"""Name of the file in the hidden folder that holds the hash of the journal entry."""

_HIDDEN = re.compile(r"\..+\.partial-[0-9a-f]{8}", re.DOTALL)


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
        return is_whole(place, str(self.details.get("manifest_sha256")))

    def has_word(self, word: str) -> bool:
        """Tell whether this program left its word beside the hidden folder."""
        partial = self.hidden.parent
        if self.hidden.name != "content" or not _HIDDEN.fullmatch(partial.name):
            return False
        if partial.parent != self.target.parent:
            return False
        try:
            with open_inside(partial, WORD) as file:
                return file.read(len(word) + 1) == word.encode()
        except OSError:
            return False


def note_sealed(journal: Journal, folders: list[SealedFolder]) -> Entry:
    """Write down what is about to get its name; it is on the disk when this returns.

    Raises
    ------
    CaseError
        The disk is full; nothing was recorded.
    """
    return journal.append(
        SEALED,
        folders=[
            {
                "act": one.act,
                "target": str(one.target),
                "hidden": str(one.hidden),
                "details": dict(one.details),
            }
            for one in folders
        ],
    )


def note_named(journal: Journal, sealed: int, folders: list[SealedFolder]) -> None:
    """Record exports that have their names, of the entry that announced them."""
    with journal.transaction():
        for one in folders:
            said = {**one.details, "target": str(one.target), "sealed": sealed}
            journal.append(one.act, **said)


def note_undone(journal: Journal, sealed: int, why: str) -> None:
    """Record that what an entry announced has no name."""
    journal.append(UNDONE, sealed=sealed, why=why)


def unfinished(journal: Journal, inside: Path) -> list[tuple[Entry, list[SealedFolder]]]:
    """Return what was announced and neither recorded nor undone.

    Parameters
    ----------
    journal : Journal
    inside : Path
        The case's own ``exports/``: what lies there moved with the case.
    """
    announced = journal.of_act(SEALED)
    if not announced:
        return []
    ended = {
        entry.details.get("sealed") for act in ("exported", UNDONE) for entry in journal.of_act(act)
    }
    waiting = [entry for entry in announced if entry.seq not in ended]
    return [(entry, list(_folders(entry, inside))) for entry in waiting]


def cut_off(folders: list[SealedFolder]) -> Iterator[str]:
    """Yield in words what `finish` would do something about; none where nothing has its name."""
    named = [str(one.target) for one in folders if one.target.exists()]
    if named:
        yield (
            f"The export {folders[0].target} was cut off while it got its name: "
            f"{' and '.join(named)} lies there unrecorded. Open the case to finish it."
        )


def finish(journal: Journal, inside: Path) -> list[str]:
    """Finish or undo what a killed process left, and return what was done, one sentence each.

    Parameters
    ----------
    journal : Journal
        Of a case that nobody else has open for writing.
    inside : Path
        As in `unfinished`.

    Raises
    ------
    CaseError
        The disk is full. What was renamed until then is found again at the next opening.
    """
    return [_settle(journal, entry, folders) for entry, folders in unfinished(journal, inside)]


def _folders(entry: Entry, inside: Path) -> Iterator[SealedFolder]:
    rows = entry.details.get("folders")
    for row in rows if isinstance(rows, list) else ():
        match row:
            case {
                "act": "exported" | "quarantined" as act,
                "target": str(target_text),
                "hidden": str(hidden_text),
                "details": dict(details),
            } if "\0" not in target_text + hidden_text:
                target, hidden = Path(target_text), Path(hidden_text)
            case _:
                continue
        if not (target.is_absolute() and hidden.is_absolute()):
            continue
        moved = inside / target.name, inside / hidden.parent.name / hidden.name
        if not target.parent.is_dir() and any(path.is_dir() for path in moved):
            target, hidden = moved
        yield SealedFolder(act, target, hidden, details)


def _settle(journal: Journal, entry: Entry, folders: list[SealedFolder]) -> str:
    what = f"The export {folders[0].target}" if folders else "An export"
    if any(not one.target.parent.is_dir() for one in folders):
        return (
            f"{what} was cut off while it got its name, and its disk cannot be reached: open the "
            "case again when it can."
        )
    named = [one for one in folders if one.lies_at(one.target)]
    ours = any(one.has_word(entry.hash) for one in folders)
    waiting = [one for one in folders if one not in named]
    why = "something else lies under that name, or the unfinished part was deleted"
    if not named or not folders:
        why = "it was cut off before it had its name"
    elif ours and all(one.lies_at(one.hidden) for one in waiting):
        try:
            for one in waiting:
                rename_without_replacing(one.hidden, one.target)
                named.append(one)
                flush_folder(one.target.parent)
        except FileExistsError:
            pass
        except OSError as error:
            why = (error.strerror or "the disk refuses").lower()
    if named and len(named) == len(folders):
        note_named(journal, entry.seq, folders)
        for one in folders:
            if one.has_word(entry.hash):
                shutil.rmtree(one.hidden.parent, ignore_errors=True)
        return f"{what} had been cut off while it got its name; it is finished now, and recorded."
    standing = [one.target for one in named if not (ours and _take_back(one))]
    note_undone(journal, entry.seq, why)
    rest = (
        f" {', '.join(map(str, standing))} stands alone: delete it, or keep it as it is."
        if standing
        else " Nothing of it is left under its names: export again."
    )
    return f"{what} was not finished: {why}.{rest}"


def _take_back(one: SealedFolder) -> bool:
    """Give a folder back its hidden name, where it waits to be deleted as any leftover."""
    try:
        with suppress(FileExistsError):
            os.mkdir(one.hidden.parent)
        rename_without_replacing(one.target, one.hidden)
        flush_folder(one.target.parent)
    except OSError:
        return False
    return True
