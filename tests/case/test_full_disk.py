"""Disks that fill or refuse at any moment: what was acknowledged stays, the rest never was."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe

from inspector.case import Case, lock
from inspector.errors import CaseError


def test_every_moment_at_which_the_disk_can_fill(tagged_case: Case) -> None:
    """Allow one page more each time until the act goes through."""
    case, tags = tagged_case, tagged_case.tags
    tags.apply(range(10), "poison", note="before")
    before = (case.journal.entries(), tags.counts(), tags.can_redo)
    connection = case._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    failures = 0
    while True:
        connection.execute(f"PRAGMA max_page_count = {pages + failures}")
        try:
            tags.apply(range(50), "suspect", note="long " * 2000)
            break
        except CaseError as error:
            said = str(error)
            assert "is full" in said
            assert "nothing was lost" in said
            assert (case.journal.entries(), tags.counts(), tags.can_redo) == before
            failures += 1
    assert failures >= 2
    assert tags.counts()["suspect"] == 50
    tags.undo()
    assert tags.counts() == before[1]
    connection.execute("PRAGMA max_page_count = 1000000")
    assert case.verify() == []


_SCRIPT = """
    import json, resource, signal, sys
    from pathlib import Path
    import numpy as np
    from inspector.case import Case
    from inspector.errors import CaseError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    case = Case.open(sys.argv[1])
    case.tags.apply([1, 2, 3], "poison")
    size = max(path.stat().st_size for path in case.path.glob("case.db*"))
    said = {"failures": 0, "texts": []}
    rows = np.random.default_rng(0).permutation(20_000)[:10_000]
    limit = size
    while True:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            case.tags.apply(rows, "suspect")
            break
        except CaseError as error:
            said["failures"] += 1
            said["texts"].append(str(error))
            assert case.tags.counts()["suspect"] == 0, case.tags.counts()
            assert case.tags.counts()["poison"] == 3
            assert case.tags.next_undo().details["count"] == 3
            limit += 700
        finally:
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
    said["problems"] = case.verify()
    print(json.dumps(said), flush=True)
    import os
    if sys.argv[2] == "crash":
        os._exit(9)
    case.close()
"""


@pytest.mark.parametrize("end", ["close", "crash"])
def test_a_disk_that_refuses_at_any_byte(folder: Path, end: str) -> None:
    with Case.create(folder) as case:
        describe(case, 20_000)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT), str(folder), end],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["failures"] > 5
    assert all("nothing was lost" in text for text in said["texts"])
    assert said["problems"] == []
    with Case.open(folder) as case:
        assert case.tags.counts()["suspect"] == 10_000 - 0
        assert case.tags.counts()["poison"] == 3
        assert case.verify() == []


def test_a_full_disk_does_not_keep_a_case_shut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock needs no space; only the message for the next one is poorer."""
    Case.create(folder).close()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(os, "ftruncate", full)
    with Case.open(folder) as case:
        assert not case.read_only
        with pytest.raises(CaseError, match="already open"):
            Case.open(folder)


def test_a_share_without_locks_leaves_the_guard_to_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Case.create(folder).close()

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    with Case.open(folder), pytest.raises(CaseError, match="Another program holds its database"):
        Case.open(folder)


def test_opening_that_fails_lets_go_of_the_lock(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Case.create(folder).close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Case.open(folder)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("inspector.case.opening._check_pages", refuse)
        for read_only in (False, True):
            with pytest.raises(CaseError, match="Permission denied"):
                Case.open(folder, read_only=read_only)
    Case.open(folder).close()


def test_interrupts_leave_no_half_acts(tagged_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = tagged_case.tags

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("inspector.case.tag_state.TagState.file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tags.apply([1], "poison")
    assert not tags.tagged().any()
    assert not np.any(tags.mask("poison"))
    tags.apply([2], "poison")
    assert tagged_case.verify() == []


class Wrapped:
    """A connection on which some statements fail, before or after they are carried out."""

    def __init__(self, real: sqlite3.Connection, before: dict, after: dict) -> None:
        self.real, self.before, self.after = real, before, after

    def execute(self, sql: str, *rest: object) -> object:
        if sql in self.before:
            raise self.before[sql]
        result = self.real.execute(sql, *rest)
        if sql in self.after:
            raise self.after[sql]
        return result

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction


@contextmanager
def failing(case: Case, before: dict, after: dict) -> Iterator[None]:
    database = case._database
    real = database._connection
    database._connection = Wrapped(real, before, after)  # type: ignore[assignment]
    try:
        yield
    finally:
        database._connection = real


def test_an_interrupt_after_the_commit_keeps_the_act(tagged_case: Case) -> None:
    """Ctrl-C may arrive when SQLite has already written everything down."""
    late = {"COMMIT": KeyboardInterrupt()}
    with failing(tagged_case, {}, late), pytest.raises(KeyboardInterrupt):
        tagged_case.tags.apply([1], "poison")
    assert tagged_case.tags.of(1) == ["poison"]
    assert tagged_case.tags.can_undo
    assert tagged_case.verify() == []


def test_an_interrupt_before_the_commit_takes_the_act_back(tagged_case: Case) -> None:
    early = {"COMMIT": KeyboardInterrupt()}
    with failing(tagged_case, early, {}), pytest.raises(KeyboardInterrupt):
        tagged_case.tags.apply([1], "poison")
    assert tagged_case.tags.of(1) == []
    assert tagged_case.verify() == []


@pytest.mark.parametrize("statements", [("COMMIT",), ("COMMIT", "ROLLBACK"), ("BEGIN IMMEDIATE",)])
def test_a_commit_that_fails_never_was(tagged_case: Case, statements: tuple[str, ...]) -> None:
    tagged_case.tags.apply([0], "clean")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_WRITE"
    broken = dict.fromkeys(statements, error)
    with failing(tagged_case, broken, {}), pytest.raises(CaseError, match="nothing was lost"):
        tagged_case.tags.apply([1], "poison")
    assert (tagged_case.tags.of(0), tagged_case.tags.of(1)) == (["clean"], [])
    tagged_case.tags.apply([2], "poison")
    path = tagged_case.path
    tagged_case.close()
    with Case.open(path) as case:
        assert [case.tags.of(row) for row in range(3)] == [["clean"], [], ["poison"]]
        assert case.verify() == []


def test_making_a_case_on_a_full_disk_leaves_nothing(folder: Path) -> None:
    script = """
        import resource, signal, sys
        from inspector.case import Case
        from inspector.errors import CaseError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        try:
            Case.create(sys.argv[1])
        except CaseError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "was not made" in done.stdout
    assert "is full or refuses to write" in done.stdout
    assert os.listdir(folder.parent) == []


def test_what_is_there_can_be_seen_on_a_full_disk(folder: Path) -> None:
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([3], "suspect")
    script = """
        import resource, signal, sys
        from inspector.case import Case
        from inspector.errors import CaseError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        with Case.open(sys.argv[1]) as case:
            print(case.tags.of(3), case.read_only, case.problems)
            try:
                case.tags.apply([4], "poison")
            except CaseError as error:
                print("refused", case.tags.of(4))
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
            case.tags.apply([4], "poison")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("['suspect'] False ['The change was not saved.")
    assert second == "refused []"
    with Case.open(folder) as case:
        assert case.tags.of(4) == ["poison"]
        assert case.verify() == []
