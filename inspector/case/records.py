"""What a case knows at present: one value per kind and key, each bound to its journal entry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.case.canonical import canonical, digest
from inspector.case.database import Database
from inspector.case.journal import Journal
from inspector.errors import CaseError


@dataclass(frozen=True)
class Record:
    """One current value: its kind, key, canonical text and the entry that wrote it."""

    kind: str
    key: str
    text: str
    seq: int

    @property
    def value(self) -> Any:
        """The value itself."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise CaseError(
                f"The {self.kind} {self.key!r} of this case is damaged.", f"{error}."
            ) from error


class Records:
    """Reads and replaces records; every replacement is a transaction with its journal entry."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    def put(
        self,
        kind: str,
        key: str,
        value: Any,
        details: Mapping[str, Any] | None = None,
        *,
        act: str | None = None,
    ) -> bool:
        """Keep a value in place of the former one; an equal value is no act and changes nothing.

        Parameters
        ----------
        kind, key : str
            ``kind`` is also the act that the journal names, unless ``act`` is given.
        value : object
            See `canonical.plain`.
        details : mapping, optional
            What the journal shall say beside key and digest.
        act : str, optional
            Name of the act in the journal.

        Returns
        -------
        bool
            Whether anything changed.
        """
        text = canonical(value)
        with self._database.transaction():
            present = self._find(kind, key)
            if present is not None and present.text == text:
                return False
            bound = {
                "key": key,
                "digest": digest(text),
                "replaces": present.seq if present is not None else None,
            }
            if act is not None:
                bound["record"] = kind
            entry = self._journal.append(act or kind, **{**(details or {}), **bound})
            self._database.execute(
                "INSERT INTO record VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) "
                "DO UPDATE SET value = excluded.value, seq = excluded.seq",
                (kind, key, text, entry.seq),
            )
        return True

    def get(self, kind: str, key: str, default: Any = None) -> Any:
        """Return a value, or ``default`` when there is none."""
        found = self._find(kind, key)
        return default if found is None else found.value

    def seq(self, kind: str, key: str) -> int:
        """Return the number of the entry that wrote a value, 0 when there is none."""
        found = self._find(kind, key)
        return 0 if found is None else found.seq

    def all(self, kind: str) -> dict[str, Any]:
        """Return the values of one kind by key, in the order in which they were written."""
        rows = self._database.rows(
            "SELECT kind, key, value, seq FROM record WHERE kind = ? ORDER BY seq", (kind,)
        )
        return {record.key: record.value for record in (Record(*row) for row in rows)}

    def every(self) -> Iterator[Record]:
        """Yield all records, for verification."""
        for row in self._database.rows("SELECT kind, key, value, seq FROM record ORDER BY seq"):
            yield Record(*row)

    def _find(self, kind: str, key: str) -> Record | None:
        rows = self._database.rows(
            "SELECT kind, key, value, seq FROM record WHERE kind = ? AND key = ?", (kind, key)
        )
        return Record(*rows[0]) if rows else None
