"""Look for tampering: the chain, everything bound to it, and the bytes of the derived arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from inspector.case import schema
from inspector.case.arrays import ArrayInfo
from inspector.case.database import Database
from inspector.case.exports import Export, changed_export
from inspector.case.journal import Entry, Journal
from inspector.case.npy import open_array
from inspector.case.records import Record, Records
from inspector.errors import CaseError

_CHUNK = 1 << 22


def in_the_database(
    database: Database, journal: Journal, records: Records
) -> Iterator[tuple[str, str]]:
    """Yield what differs in ``case.db``, each with its part: "schema", "journal", "record" …"""
    entries = journal.entries()
    parts = {
        "schema": changed_guards(database),
        "journal": journal.verify(),
        "record": changed_records(records.every(), entries),
        "tag": changed_tags(database, entries),
        "attachment": changed_attachments(database, entries),
    }
    for part, found in parts.items():
        yield from ((part, what) for what in found)


def in_the_files(
    derived: Path,
    arrays: Iterable[ArrayInfo],
    exports: Iterable[Export],
    check: Callable[[], None],
) -> Iterator[tuple[str, str]]:
    """Yield what differs in derived arrays and in the exports that can be reached."""
    yield from (("array", what) for what in changed_arrays(derived, arrays, check))
    for export in exports:
        if export.reachable:
            yield from (("export", what) for what in changed_export(export, check))


def changed_guards(database: Database) -> Iterator[str]:
    """Yield what is missing from, or was added to, tables and append-only triggers."""
    present, expected = database.schema_objects(), schema.expected_objects()
    for name in sorted(present.keys() | expected.keys()):
        if name not in present:
            yield f"The table or guard {name} was removed from the database."
        elif name not in expected:
            yield f"{name} was added to the database."
        elif present[name] != expected[name]:
            yield f"The table or guard {name} of the database was changed."


def changed_records(records: Iterable[Record], entries: Iterable[Entry]) -> Iterator[str]:
    """Compare each current record with the last entry of the journal about it."""
    # Acts of one kind of record can have names of their own: "evidence verified".
    last = {
        (entry.details.get("record", entry.act), entry.details["key"]): entry
        for entry in entries
        if {"key", "digest", "replaces"} <= entry.details.keys()
    }
    for record in records:
        entry = last.pop((record.kind, record.key), None)
        if entry is None:
            yield f"The {record.kind} {record.key} is in no journal entry."
        elif entry.seq != record.seq or entry.details["digest"] != _digest(record.text):
            yield f"The {record.kind} {record.key} was changed behind the journal's back."
    for kind, key in last:
        yield f"The {kind} {key} was removed behind the journal's back."


def changed_tags(database: Database, entries: Iterable[Entry]) -> Iterator[str]:
    """Compare each change of tags with its journal entry."""
    acts = {
        entry.seq: entry
        for entry in entries
        if entry.act in ("tag", "untag", "undo", "redo") and "digest" in entry.details
    }
    for seq, effect, target, cells in database.rows(
        "SELECT seq, effect, target, cells FROM change ORDER BY seq"
    ):
        entry = acts.pop(seq, None)
        if entry is None:
            yield f"The change of tags {seq} is in no journal entry."
            continue
        said = (entry.act if entry.act in ("undo", "redo") else "do", entry.details.get("of", 0))
        if said != (effect, target) or entry.details["digest"] != _digest(cells):
            yield f"The change of tags {seq} was altered behind the journal's back."
    for seq in acts:
        yield f"The change of tags {seq} was removed behind the journal's back."


def changed_attachments(database: Database, entries: Iterable[Entry]) -> Iterator[str]:
    """Compare what is too long for an entry with the digest that its entry names."""
    named = {
        entry.seq: entry.details["attachment"] for entry in entries if "attachment" in entry.details
    }
    for seq, content in database.rows("SELECT seq, content FROM attachment ORDER BY seq"):
        if seq not in named:
            yield f"The attachment {seq} is in no journal entry."
        elif named.pop(seq) != _digest(content):
            yield f"The attachment of entry {seq} was changed behind the journal's back."
    for seq in named:
        yield f"The attachment of entry {seq} was removed behind the journal's back."


def changed_arrays(
    derived: Path, infos: Iterable[ArrayInfo], check: Callable[[], None]
) -> Iterator[str]:
    """Hash every registered file; ``check`` is called between chunks and may raise to stop."""
    for info in infos:
        found = hashlib.sha256()
        try:
            with open_array(derived, info.path) as file:
                while chunk := file.read(_CHUNK):
                    found.update(chunk)
                    check()
        except CaseError as error:
            yield str(error)
            continue
        if found.hexdigest() != info.sha256:
            yield f"The derived array {info.name} ({info.path}) was changed after it was written."


def _digest(data: object) -> str:
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else ""
