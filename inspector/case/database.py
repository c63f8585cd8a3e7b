"""The one connection to ``case.db``: transactions whole or not at all, failures in one line."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.case import schema
from inspector.errors import CaseError


class NotSaved(CaseError):
    """The disk is full or refuses: nothing was changed, and the same act can be done again."""


class Damaged(CaseError):
    """A database whose content cannot be right."""


class Database:
    """Statements and transactions on an open case, from any thread.

    Attributes
    ----------
    read_only : bool
        Every transaction is refused.
    upgraded_from : int or None
        Version of the case format before opening brought it up to date.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, scratch: Path | None, *, read_only: bool
    ) -> None:
        self.read_only = read_only
        self.upgraded_from: int | None = None
        self._connection = connection
        self._path = path
        self._scratch = scratch
        self._lock = threading.RLock()
        self._depth = 0
        self._doomed = False
        self._reversals: list[Callable[[], None]] = []

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return every row of a query."""
        with self._lock:
            try:
                self._settle()
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Change something, inside a `transaction`."""
        with self._lock:
            # After a full disk SQLite has already rolled back; a further statement of the same act
            # would be kept on its own.
            if not self._connection_in_transaction() or self._doomed:
                raise CaseError("A change outside of a transaction was refused.")
            try:
                self._connection.execute(sql, parameters)
            except sqlite3.Error as error:
                self._doomed = True
                raise self._explained(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep everything done inside, or nothing. Transactions inside join the outermost.

        Raises
        ------
        CaseError
            The case is read-only, the disk is full or refuses. Nothing was changed then.
        """
        with self._lock:
            if self.read_only:
                raise CaseError(
                    "The change was refused.",
                    f"The case {self._path.parent} is open for reading only.",
                    "Copy the case to a place where you may write, and open the copy.",
                )
            if self._depth:
                yield from self._joined()
                return
            self._begin()
            try:
                yield
                if self._doomed:
                    raise CaseError("The change was not saved.", "A part of it failed before.")
                self._commit()
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._depth = 0
                self._reversals.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads from changing anything meanwhile."""
        with self._lock:
            yield

    def on_rollback(self, reverse: Callable[[], None]) -> None:
        """Name what brings memory back in line should the running transaction fail."""
        self._reversals.append(reverse)

    def schema_objects(self) -> dict[str, str]:
        """Return the SQL of tables and triggers; see `schema.objects`."""
        with self._lock:
            return schema.objects(self._connection)

    def close(self) -> None:
        """Fold the log into the file and let go of it. Harmless when called again."""
        with self._lock:
            self._connection.close()
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _joined(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        except BaseException:
            # Half an act must not be kept, even if the outer transaction goes on.
            self._doomed = True
            raise
        finally:
            self._depth -= 1

    def _begin(self) -> None:
        try:
            self._settle()
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._explained(error) from error
        self._depth, self._doomed = 1, False

    def _settle(self) -> None:
        # A rollback that the disk refused last time: nothing may be read that was never kept.
        if not self._depth and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except BaseException:
            # Ctrl-C between SQLite's return and ours: what is committed stays, in memory too.
            if not self._connection.in_transaction:
                self._reversals.clear()
            raise

    def _roll_back(self) -> None:
        try:
            if self._connection_in_transaction():
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A disk that refuses even this: `_settle` tries again before anything else is done.
            pass
        for reverse in reversed(self._reversals):
            reverse()

    def _connection_in_transaction(self) -> bool:
        try:
            return self._connection.in_transaction
        except sqlite3.ProgrammingError:
            return False

    def _explained(self, error: sqlite3.Error) -> CaseError:
        return explain(error, self._path)


def explain(error: sqlite3.Error, path: Path) -> CaseError:
    """Say what SQLite reports in words that a person can act on."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        why = "is full" if name == "SQLITE_FULL" else f"is full or refuses to write ({error})"
        return NotSaved(
            "The change was not saved.",
            f"The disk of {path.parent} {why}.",
            "Free some space and do it again; everything saved before is still there, "
            "nothing was lost.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return CaseError(
            f"The case {path.parent} is already open.",
            "Another program holds its database.",
            "Close it there first; nothing was changed.",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or str(error).startswith("no such "):
        return damaged(path, str(error))
    if isinstance(error, sqlite3.ProgrammingError):
        return CaseError(f"The case {path.parent} is closed.", "", "Open it again.")
    return CaseError(
        f"The database of the case {path.parent} refused.", f"{error}.", "Nothing was lost."
    )


def damaged(path: Path, why: str) -> Damaged:
    """Return the error for a database whose content cannot be right."""
    return Damaged(
        f"The case {path.parent} is damaged.",
        f"{path.name}: {why}.",
        f"Keep the folder as it is, and go on with a backup copy or a {path.name}.bak file.",
    )
