"""The analyst's decisions on samples; every one can be taken back, also after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inspector.case import tag_changes
from inspector.case.canonical import digest
from inspector.case.database import Database
from inspector.case.journal import Entry, Journal
from inspector.case.order import distinct
from inspector.case.records import Records
from inspector.case.samples import Samples
from inspector.case.tag_kinds import DEFAULTS, TagKind, find_kind, new_kind
from inspector.case.tag_state import TagState, damaged
from inspector.errors import BadInput

_ROWS_SPELLED_OUT = 20


@dataclass(frozen=True)
class Reason:
    """Why a sample carries a tag: who put it there, when, by what means, with which note."""

    tag: str
    user: str
    time: str
    source: str
    note: str
    seq: int


class Tags:
    """The tags of one case.

    Each act is one transaction with one journal entry, however many samples it touches. An act
    that would change nothing is none: it returns None and leaves no entry.
    """

    def __init__(
        self, database: Database, journal: Journal, records: Records, samples: Samples
    ) -> None:
        self._database = database
        self._journal = journal
        self._records = records
        self._samples = samples
        self._kinds: list[TagKind] | None = None
        self._kept: TagState | None = None

    @property
    def kinds(self) -> list[TagKind]:
        """The kinds of tags, in the order of their keys' making."""
        if self._kinds is None:
            own = [
                TagKind(name, kind["key"], kind["colour"], kind["id"])
                for name, kind in self._records.all("tag kind").items()
            ]
            self._kinds = [*DEFAULTS, *sorted(own, key=lambda kind: kind.id)]
        return list(self._kinds)

    def add_kind(self, name: str, key: str | None = None, colour: str | None = None) -> TagKind:
        """Add a kind of tag.

        Parameters
        ----------
        name : str
        key : str, optional
            A free digit; the next free one when None, none when empty.
        colour : str, optional
            "#rrggbb".

        Raises
        ------
        BadInput
            Name or key is taken or cannot be one.
        """
        with self._database.transaction():
            kind = new_kind(self.kinds, name, key, colour)
            self._keep_kind(kind)
        return kind

    def change_kind(self, name: str, key: str | None = None, colour: str | None = None) -> TagKind:
        """Give an own kind of tag another key or colour; None leaves it as it is.

        Raises
        ------
        BadInput
            No such kind, one of those that every case has, or a key or colour that cannot be.
        """
        with self._database.transaction():
            kind = find_kind(self.kinds, name)
            if kind in DEFAULTS:
                raise BadInput(
                    f"The tag {name!r} cannot be changed.",
                    "Every case has it, with the same key and colour.",
                    "Define a tag of your own.",
                )
            others = [other for other in self.kinds if other != kind]
            key = kind.key if key is None else key
            changed = new_kind(others, name, key, colour or kind.colour)
            self._keep_kind(replace(changed, id=kind.id))
        return find_kind(self.kinds, name)

    def _keep_kind(self, kind: TagKind) -> None:
        value = {"id": kind.id, "key": kind.key, "colour": kind.colour}
        self._database.on_rollback(self._forget)
        said = {"digit": kind.key, "colour": kind.colour}
        self._records.put("tag kind", kind.name, value, said)
        self._forget()

    def apply(
        self, rows: ArrayLike, tag: str, *, source: str = "manual", note: str = ""
    ) -> Entry | None:
        """Put a tag on samples; those that carry it keep it with its first reason.

        Parameters
        ----------
        rows : array_like
            Row numbers, or a mask of shape (n,).
        tag : str
            Name of a kind.
        source : str
            By what means: "manual", "threshold", "detector spectral" …
        note : str
            The analyst's words.

        Raises
        ------
        BadInput
            No such tag, or rows that are none.
        CaseError
            Read-only, or the disk is full; nothing was changed.
        """
        with self._database.transaction():
            kind = find_kind(self.kinds, tag)
            owners = self._carried(kind)
            chosen = self.rows(rows)
            chosen = chosen[owners[chosen] == 0]
            change = tag_changes.cells(kind.id, chosen, 0, self._journal.next_seq)
            return self._act("tag", change, tag=kind.name, source=source, note=note)

    def remove(self, rows: ArrayLike, tag: str) -> Entry | None:
        """Take one tag off samples."""
        with self._database.transaction():
            kind = find_kind(self.kinds, tag)
            change = self._removal(kind, self.rows(rows))
            return self._act("untag", change, tag=kind.name)

    def clear(self, rows: ArrayLike) -> Entry | None:
        """Take all tags off samples."""
        with self._database.transaction():
            chosen = self.rows(rows)
            parts = [self._removal(kind, chosen) for kind in self.kinds]
            return self._act("untag", np.concatenate(parts), tag="all")

    def undo(self) -> Entry | None:
        """Take back the last act that was not taken back, exactly what it changed."""
        return self._step("undo")

    def redo(self) -> Entry | None:
        """Do the last undone act again, as if it had stood."""
        return self._step("redo")

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would change anything."""
        return bool(self._state().done)

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would change anything."""
        return bool(self._state().undone)

    def next_undo(self) -> Entry | None:
        """Return the act that `undo` would take back."""
        return self._journal.entry(self._state().done[-1]) if self.can_undo else None

    def next_redo(self) -> Entry | None:
        """Return the act that `redo` would do again."""
        return self._journal.entry(self._state().undone[-1]) if self.can_redo else None

    def stands(self, seq: int) -> bool:
        """Tell whether an act of tagging is in force: done, and not taken back."""
        return seq in self._state().done

    def replays(self) -> bool:
        """Tell whether the recorded acts, replayed from the first on, give the tags of now."""
        with self._database.held():
            now, anew = self._state(), self._replayed()
            same = bool(np.array_equal(now.owners, anew.owners))
            return same and (now.done, now.undone) == (anew.done, anew.undone)

    def mask(self, tag: str) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): who carries a tag."""
        kind = find_kind(self.kinds, tag)
        return self._carried(kind) != 0

    def tagged(self) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): who carries any tag."""
        return (self._state().owners != 0).any(axis=0)

    def counts(self) -> dict[str, int]:
        """Return how many samples carry each tag."""
        numbers = np.count_nonzero(self._state().owners, axis=1)
        return {kind.name: int(number) for kind, number in zip(self.kinds, numbers)}

    def of(self, row: int) -> list[str]:
        """Return the tags of one sample."""
        return self.names([row])[0]

    def names(self, rows: Sequence[int] | NDArray[Any]) -> list[list[str]]:
        """Return the tags of many samples, a list for each."""
        owners = self._state().owners[:, np.asarray(rows, np.int64)]  # (kinds, rows)
        found: list[list[str]] = [[] for _ in range(owners.shape[1])]
        for kind, carried in zip(self.kinds, owners):
            for at in np.flatnonzero(carried).tolist():
                found[at].append(kind.name)
        return found

    def reasons(self, rows: Iterable[int]) -> dict[int, list[Reason]]:
        """Return for each sample that carries tags who put them there, when and why."""
        owners = self._state().owners
        entries: dict[int, Entry] = {}
        found: dict[int, list[Reason]] = {}
        for row in map(int, rows):
            for kind, seq in zip(self.kinds, owners[:, row].tolist()):
                if seq:
                    if seq not in entries:
                        entries[seq] = self._journal.entry(seq)
                    found.setdefault(row, []).append(_reason(kind, entries[seq]))
        return found

    def changed_rows(self, entry: Entry) -> NDArray[np.intp]:
        """Return the rows whose tags an act of `apply`, `undo` … changed."""
        return distinct(self._change(entry.seq)["row"], self._state().n)

    # ---- inside ---------------------------------------------------------------------------------

    def _act(self, act: str, change: NDArray[Any], **details: Any) -> Entry | None:
        return self._write(act, change, "do", 0, details) if len(change) else None

    def _step(self, effect: str) -> Entry | None:
        with self._database.transaction():
            state = self._state()
            stack = state.done if effect == "undo" else state.undone
            if not stack:
                return None
            target = stack[-1]
            change = self._change(target)
            if effect == "undo":
                change = tag_changes.swapped(change)
            first = self._journal.entry(target)
            details = {"of": target, "what": first.act, "tag": first.details.get("tag")}
            return self._write(effect, change, effect, target, details)

    def _write(
        self, act: str, change: NDArray[Any], effect: str, target: int, details: dict[str, Any]
    ) -> Entry:
        state = self._state()
        blob = tag_changes.packed(change)
        rows = distinct(change["row"], state.n)
        if len(rows) <= _ROWS_SPELLED_OUT:
            details["rows"] = rows
        self._database.on_rollback(self._forget)
        entry = self._journal.append(act, count=len(rows), digest=digest(blob), **details)
        self._database.execute(
            "INSERT INTO change VALUES (?, ?, ?, ?)", (entry.seq, effect, target, blob)
        )
        state.replay(change)
        state.file(entry.seq, effect, target)
        return entry

    def _removal(self, kind: TagKind, rows: NDArray[np.intp]) -> NDArray[Any]:
        owners = self._carried(kind)
        carried = rows[owners[rows] != 0]
        return tag_changes.cells(kind.id, carried, owners[carried], 0)

    def rows(self, rows: ArrayLike) -> NDArray[np.intp]:
        """Return row numbers, ascending and once each, out of numbers or a mask of shape (n,).

        Raises
        ------
        BadInput
            Rows that are none.
        """
        n = self._samples.n
        given = np.asarray(rows)
        if given.dtype == bool:
            if given.shape != (n,):
                raise BadInput(f"A mask of shape {given.shape} does not fit {n} samples.")
            return np.flatnonzero(given)
        if given.size == 0:
            return np.empty(0, np.intp)
        if given.dtype.kind not in "iu" or given.ndim > 1:
            raise BadInput("Samples are named by whole numbers.", f"Given was {str(rows)[:60]}.")
        low, high = given.min(), given.max()
        if low < 0 or high >= n:
            odd = low if low < 0 else high
            raise BadInput(
                f"There is no sample {odd}.",
                f"The case has {n} samples, counted from 0."
                if n
                else "The case has no samples yet.",
            )
        return distinct(given, n)

    def _carried(self, kind: TagKind) -> NDArray[np.int32]:
        return self._state().owners[self.kinds.index(kind)]

    def _forget(self) -> None:
        self._kinds, self._kept = None, None

    def _state(self) -> TagState:
        # Another thread must not see a replay half done.
        with self._database.held():
            if self._kept is None or self._kept.n != self._samples.n:
                self._kept = self._replayed()
            return self._kept

    def _replayed(self) -> TagState:
        state = TagState(self.kinds, self._samples.n)
        rows = self._database.rows("SELECT seq, effect, target, cells FROM change ORDER BY seq")
        state.replay(self._unpacked(row[3] for row in rows))
        for seq, effect, target, _ in rows:
            state.file(seq, effect, target)
        return state

    def _change(self, seq: int) -> NDArray[Any]:
        blobs = self._database.rows("SELECT cells FROM change WHERE seq = ?", (seq,))
        return self._unpacked(blob for (blob,) in blobs)

    def _unpacked(self, blobs: Iterable[bytes]) -> NDArray[Any]:
        try:
            return tag_changes.unpacked(blobs, len(self.kinds) * max(1, self._samples.n))
        except ValueError as error:
            raise damaged(str(error)) from error


def _reason(kind: TagKind, entry: Entry) -> Reason:
    source, note = entry.details.get("source", ""), entry.details.get("note", "")
    return Reason(kind.name, entry.user, entry.time, str(source), str(note), entry.seq)
