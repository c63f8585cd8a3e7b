"""The tables of ``case.db``, and how a case of an earlier version is brought up to date."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

APPLICATION_ID = 0x494E5350
"""Spells INSP in the header of the file, so that ``file(1)`` and we know it for a case."""

_APPEND_ONLY = (
    "CREATE TRIGGER {table}_is_never_updated BEFORE UPDATE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    "CREATE TRIGGER {table}_is_never_deleted BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # An entry is kept as the exact text that was hashed; columns beside it could disagree.
        "CREATE TABLE journal (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash TEXT NOT NULL)",
        *(line.format(table="journal") for line in _APPEND_ONLY),
        # REPLACE deletes without firing delete triggers: let numbers only count up.
        "CREATE TRIGGER journal_counts_up BEFORE INSERT ON journal "
        "WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM journal) "
        "BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END",
        # The end of the chain, kept apart: without it a journal cut short would still be whole.
        "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, "
        "hash TEXT NOT NULL)",
        "CREATE TABLE change (seq INTEGER PRIMARY KEY REFERENCES journal (seq), "
        "effect TEXT NOT NULL CHECK (effect IN ('do', 'undo', 'redo')), "
        "target INTEGER NOT NULL, cells BLOB NOT NULL)",
        *(line.format(table="change") for line in _APPEND_ONLY),
        "CREATE TRIGGER change_counts_up BEFORE INSERT ON change "
        "WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM change) "
        "BEGIN SELECT RAISE(ABORT, 'change is append-only'); END",
        "CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
        "seq INTEGER NOT NULL REFERENCES journal (seq), PRIMARY KEY (kind, key)) WITHOUT ROWID",
    ),
    (
        # What belongs to an entry and is too long for one: the rows of a proposal or of an audit.
        # The entry has its SHA-256.
        "CREATE TABLE attachment (seq INTEGER PRIMARY KEY REFERENCES journal (seq), "
        "content BLOB NOT NULL)",
        *(line.format(table="attachment") for line in _APPEND_ONLY),
        "CREATE TRIGGER attachment_counts_up BEFORE INSERT ON attachment "
        "WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM attachment) "
        "BEGIN SELECT RAISE(ABORT, 'attachment is append-only'); END",
    ),
)
"""Statements that lead from version i to version i + 1; an empty file has version 0."""


def version() -> int:
    """Return the version of the case format that this program writes."""
    return len(MIGRATIONS)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a database up to `version` in one transaction; on failure it stays as it was."""
    present = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[present:]:
            for statement in step:
                connection.execute(statement)
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.IntegrityError("the upgraded tables contradict each other")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version()}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def back_up(connection: sqlite3.Connection, path: Path) -> Path:
    """Copy a database beside itself before its first upgrade, whole or not at all."""
    present = connection.execute("PRAGMA user_version").fetchone()[0]
    target = path.with_name(f"{path.name}.bak-v{present}")
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        connection.backup(copy)
        # One file that opens by itself, without a -wal beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    # On the disk, name and all, before the first statement changes the original.
    flush(partial)
    os.replace(partial, target)
    flush(target.parent)
    return target


def flush(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def objects(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the SQL of every table and trigger by name: a dropped guard shows in it."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {str(name): str(sql) for name, sql in rows}


def expected_objects() -> dict[str, str]:
    """Return what `objects` yields for an untouched case of this version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        upgrade(fresh)
        return objects(fresh)
