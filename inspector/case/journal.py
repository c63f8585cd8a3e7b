"""The append-only record of everything done in a case, each entry chained to the one before.

The hash of entry k is SHA-256 over ``"audit/1\\0"``, k as eight bytes (big-endian), the 32 bytes of
the hash before (zeros for the first) and the entry's canonical JSON. Whoever changes an entry must
rewrite all later ones; whoever rewrites all of them changes the last hash, which every export and
report prints. The chain alone does not stop that last step: compare the head with a printed one.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inspector.case.canonical import canonical, digest
from inspector.case.database import Database
from inspector.errors import CaseError

START = "0" * 64
"""The hash before the first entry."""


@dataclass(frozen=True)
class Entry:
    """One act.

    Attributes
    ----------
    seq : int
        Counts from 1.
    time : str
        UTC, ISO 8601.
    user : str
        Account name.
    act : str
        What was done: "tag", "evidence", "finding" …
    details : dict
        Everything needed to say exactly what was done.
    hash : str
        Hexadecimal; see the module.
    """

    seq: int
    time: str
    user: str
    act: str
    details: dict[str, Any]
    hash: str


class Journal:
    """The journal of one case."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_act: dict[str, tuple[int, str, list[Entry]]] = {}

    @property
    def head(self) -> str:
        """The hash of the last entry."""
        return self._end()[1]

    @property
    def next_seq(self) -> int:
        """The number that the next entry will have; certain only inside a transaction."""
        return self._end()[0] + 1

    def transaction(self) -> AbstractContextManager[None]:
        """Keep everything that is recorded inside, or nothing of it."""
        return self._database.transaction()

    def append(self, act: str, /, **details: Any) -> Entry:
        """Record an act, together with the running transaction if there is one.

        Parameters
        ----------
        act : str
            What was done.
        **details
            JSON-able values; NaN becomes null.

        Raises
        ------
        CaseError
            The case is read-only, or the disk is full; nothing was recorded.
        """
        with self._database.transaction():
            seq, before = self._end()
            seq += 1
            time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            # Read back what is written, so that the caller sees what a later reader will see.
            text = canonical({"act": act, "details": details, "time": time, "user": _user()})
            link = chained(seq, before, text)
            self._database.execute("INSERT INTO journal VALUES (?, ?, ?)", (seq, text, link))
            self._database.execute(
                "INSERT INTO head VALUES (1, ?, ?) "
                "ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
                (seq, link),
            )
        return _entry(seq, text, link)

    def append_with(self, content: bytes, act: str, /, **details: Any) -> Entry:
        """Record an act together with bytes that are too long for its entry.

        The entry names their SHA-256 as ``attachment``; `attachment` gives them back.
        """
        with self._database.transaction():
            entry = self.append(act, **details, attachment=digest(content))
            self._database.execute("INSERT INTO attachment VALUES (?, ?)", (entry.seq, content))
        return entry

    def attachment(self, seq: int) -> bytes:
        """Return the bytes that were recorded with an entry.

        Raises
        ------
        CaseError
            There are none, or they are not those that the entry names.
        """
        rows = self._database.rows("SELECT content FROM attachment WHERE seq = ?", (int(seq),))
        content = rows[0][0] if rows else None
        if not isinstance(content, bytes) or digest(content) != self.entry(seq).details.get(
            "attachment"
        ):
            raise CaseError(
                f"What belongs to journal entry {seq} cannot be read.",
                "It is missing, or was changed behind the journal's back.",
                "Keep the folder as it is, and go on with a backup copy.",
            )
        return content

    def of_act(self, act: str) -> list[Entry]:
        """Return every entry of one act, oldest first."""
        with self._database.held():
            end, head = self._end()
            upto, hash_there, found = self._of_act.get(act, (0, START, []))
            # What was read in a transaction that then failed is not there any more.
            if upto and not self._database.rows(
                "SELECT 1 FROM journal WHERE seq = ? AND hash = ?", (upto, hash_there)
            ):
                upto, found = 0, []
            newer = self._database.rows(
                "SELECT seq, entry, hash FROM journal WHERE seq > ? AND json_valid(entry) "
                "AND json_extract(entry, '$.act') = ? ORDER BY seq",
                (upto, act),
            )
            found = [*found, *(_entry(*row) for row in newer)]
            self._of_act[act] = (end, head, found)
            return list(found)

    def entries(self, limit: int | None = None) -> list[Entry]:
        """Return the newest ``limit`` entries (all when None), oldest first."""
        rows = self._database.rows(
            "SELECT seq, entry, hash FROM journal ORDER BY seq DESC LIMIT ?",
            (-1 if limit is None else int(limit),),
        )
        return [_entry(*row) for row in reversed(rows)]

    def entry(self, seq: int) -> Entry:
        """Return one entry.

        Raises
        ------
        CaseError
            There is none with this number.
        """
        rows = self._database.rows(
            "SELECT seq, entry, hash FROM journal WHERE seq = ?", (int(seq),)
        )
        if not rows:
            raise CaseError(f"The journal has no entry {seq}.", f"It ends at {self._end()[0]}.")
        return _entry(*rows[0])

    def verify(self, last: int | None = None) -> list[str]:
        """Follow the chain and return what is wrong with it, one sentence each; empty when whole.

        Parameters
        ----------
        last : int, optional
            Follow only the newest links, from the hash stored before them.
        """
        return list(self._broken_links(last))

    def _broken_links(self, last: int | None) -> Iterator[str]:
        end, head = self._end()
        first = 1 if last is None else max(1, end - last + 1)
        rows = self._database.rows(
            "SELECT seq, entry, hash FROM journal WHERE seq >= ? ORDER BY seq", (first - 1,)
        )
        before, expected = START, 1
        if first > 1 and rows:
            before, expected = str(rows[0][2]), int(rows[0][0]) + 1
            rows = rows[1:]
        for seq, text, stored in rows:
            if seq != expected:
                yield f"Journal entries {expected} to {seq - 1} are missing."
            if not isinstance(text, str) or chained(seq, before, text) != stored:
                yield f"Journal entry {seq} or its hash was changed after it was written."
            before, expected = str(stored), seq + 1
        if expected != end + 1:
            yield f"The journal ends at entry {expected - 1}, but {end} were written."
        elif before != head:
            yield "The last hash of the journal is not the one that was written."

    def _end(self) -> tuple[int, str]:
        rows = self._database.rows("SELECT seq, hash FROM head")
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, START)


def chained(seq: int, before: str, text: str) -> str:
    """Return the hash of an entry; see the module."""
    try:
        previous = bytes.fromhex(before)
    except ValueError:
        # A hash that is not one was tampered with: still give an answer that fits nothing.
        previous = before.encode("utf-8", "backslashreplace")
    raw = text.encode("utf-8", "backslashreplace")
    return hashlib.sha256(b"audit/1\0" + seq.to_bytes(8, "big") + previous + raw).hexdigest()


def _entry(seq: int, text: str, link: str) -> Entry:
    try:
        content = json.loads(text)
        return Entry(
            int(seq),
            str(content["time"]),
            str(content["user"]),
            str(content["act"]),
            dict(content["details"]),
            str(link),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return Entry(int(seq), "", "", "damaged", {}, str(link))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
