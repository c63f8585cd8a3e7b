"""The journal: what it holds, and that no byte of a case changes behind its back."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from case_makers import fill, store

from inspector.case import Case
from inspector.case.journal import Journal
from inspector.errors import CaseError


def test_entries_say_who_did_what_when(case: Case) -> None:
    entry = case.journal.append("export", to="/out", kept=3, rate=float("nan"), where=("a", "b"))
    assert entry == case.journal.entries()[-1] == case.journal.entry(entry.seq)
    assert entry.seq == 2
    assert entry.act == "export"
    assert entry.user == getpass.getuser()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.time)
    assert entry.details == {"to": "/out", "kept": 3, "rate": None, "where": ["a", "b"]}
    assert case.journal.head == entry.hash


def test_the_newest_entries_come_oldest_first(case: Case) -> None:
    for number in range(5):
        case.journal.append("note", number=number)
    assert [entry.details["number"] for entry in case.journal.entries(3)] == [2, 3, 4]
    assert [entry.seq for entry in case.journal.entries()] == [1, 2, 3, 4, 5, 6]
    assert case.journal.entries(0) == []
    with pytest.raises(CaseError, match="no entry 99"):
        case.journal.entry(99)


def test_details_may_be_called_anything(case: Case) -> None:
    entry = case.journal.append("x", act="y", self=1, seq=2)
    assert entry.details == {"act": "y", "self": 1, "seq": 2}
    with pytest.raises(TypeError, match="set cannot be kept"):
        case.journal.append("x", what={1, 2})
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(CaseError, match="too deep"):
        case.journal.append("x", deep=deep)
    assert case.journal.entries()[-1] == entry


def test_the_chain_can_be_followed_by_hand(case: Case) -> None:
    """The format is a promise: others must be able to check a journal without this program."""
    case.journal.append("note", text="ü \udcff")
    case.close()
    before = bytes(32)
    with closing(sqlite3.connect(case.path / "case.db")) as raw:
        for seq, text, digest in raw.execute("SELECT seq, entry, hash FROM journal ORDER BY seq"):
            link = b"audit/1\0" + seq.to_bytes(8, "big") + before + text.encode("ascii")
            assert hashlib.sha256(link).hexdigest() == digest
            before = bytes.fromhex(digest)
            spelled = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
            assert spelled == text


@contextmanager
def behind_its_back(folder: Path) -> Iterator[sqlite3.Connection]:
    """Write to a case's database with the guards taken off, and put them back."""
    with closing(sqlite3.connect(folder / "case.db", isolation_level=None)) as raw:
        guards = raw.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            raw.execute(f"DROP TRIGGER {name}")
        yield raw
        for _, sql in guards:
            raw.execute(sql)


@pytest.fixture
def closed(folder: Path) -> Path:
    """A closed case in which much was done."""
    with Case.create(folder) as case:
        fill(case)
        case.add_evidence("model", "/model.pt", "ab" * 32, 7)
        case.record_finding("spectral", {"verdict": "low", "classes": []})
        case.tags.apply([1, 2], "poison")
        case.tags.undo()
        assert case.verify() == []
    return folder


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal SET entry = 'x' WHERE seq = 2",
        "DELETE FROM journal WHERE seq = 2",
        "INSERT OR REPLACE INTO journal SELECT seq, 'x', hash FROM journal WHERE seq = 2",
        "INSERT INTO journal VALUES (1000, 'x', 'y')",
        "UPDATE change SET cells = x'00'",
        "DELETE FROM change",
        "INSERT OR REPLACE INTO change SELECT seq, effect, target, x'00' FROM change",
    ],
)
def test_the_database_itself_refuses_to_rewrite_history(closed: Path, sql: str) -> None:
    with (
        closing(sqlite3.connect(closed / "case.db")) as raw,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        raw.execute(sql)


def test_one_changed_byte_anywhere_in_the_journal_is_found(closed: Path) -> None:
    with closing(sqlite3.connect(closed / "case.db")) as raw:
        count = raw.execute("SELECT max(seq) FROM journal").fetchone()[0]
    rng = np.random.default_rng(0)
    for seq in range(1, count + 1):
        with behind_its_back(closed) as raw:
            row = raw.execute("SELECT entry, hash FROM journal WHERE seq = ?", (seq,)).fetchone()
            for column, text in zip(("entry", "hash"), row):
                at = int(rng.integers(len(text)))
                changed = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
                raw.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (changed, seq))
                problems = _verify(closed)
                assert any(f"entry {seq} " in problem for problem in problems)
                raw.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (text, seq))
    with Case.open(closed) as case:
        assert case.verify() == []


def _verify(folder: Path) -> list[str]:
    with Case.open(folder, read_only=True) as case:
        found = case.journal.verify()
        assert case.problems == found
        return found


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM journal WHERE seq = 3", "Journal entries 3 to 3 are missing"),
        ("DELETE FROM journal WHERE seq > 5", "The journal ends at entry 5"),
        ("DELETE FROM journal", "The journal ends at entry 0"),
        ("UPDATE head SET hash = 'x'", "last hash .* is not the one"),
        ("UPDATE journal SET entry = x'00ff' WHERE seq = 4", "Journal entry 4 "),
        ("UPDATE journal SET hash = 'not a hash' WHERE seq = 4", "Journal entry 4 "),
    ],
)
def test_tampering_with_the_chain_is_named(closed: Path, sql: str, message: str) -> None:
    with behind_its_back(closed) as raw:
        raw.execute(sql)
    problems = _verify(closed)
    assert any(re.search(message, problem) for problem in problems), problems
    with Case.open(closed, read_only=True) as case:
        assert case.journal.entries() is not None
        assert any(re.search(message, problem) for problem in case.verify())


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE record SET value = '{}' WHERE kind = 'finding'", "finding spectral was changed"),
        ("DELETE FROM record WHERE kind = 'finding'", "finding spectral was removed"),
        ("INSERT INTO record VALUES ('finding', 'mine', '{}', 1)", "finding mine is in no journal"),
        ("UPDATE record SET seq = 1 WHERE kind = 'evidence'", "evidence .* was changed behind"),
        ("DELETE FROM change WHERE effect = 'undo'", "change of tags .* was removed"),
        ("UPDATE change SET target = 1 WHERE effect = 'undo'", "change of tags .* was altered"),
        ("INSERT INTO change VALUES (999, 'do', 0, x'789c030000000001')", "999 is in no journal"),
    ],
)
def test_tampering_with_what_the_journal_vouches_for_is_named(
    closed: Path, sql: str, message: str
) -> None:
    with behind_its_back(closed) as raw:
        raw.execute(sql)
    with Case.open(closed, read_only=True) as case:
        problems = case.verify()
    assert any(re.search(message, problem) for problem in problems), problems


def test_one_changed_bit_of_a_tag_change_is_found(closed: Path) -> None:
    with behind_its_back(closed) as raw:
        (cells,) = raw.execute("SELECT cells FROM change ORDER BY seq").fetchone()
        raw.execute("UPDATE change SET cells = ?", (cells[:-1] + bytes([cells[-1] ^ 1]),))
    with Case.open(closed, read_only=True) as case:
        assert any("was altered" in problem for problem in case.verify())
        with pytest.raises(CaseError, match="tags of this case cannot be read"):
            case.tags.of(1)


def test_removed_guards_are_noticed(closed: Path) -> None:
    with closing(sqlite3.connect(closed / "case.db")) as raw:
        raw.execute("DROP TRIGGER journal_is_never_updated")
        raw.execute("CREATE TABLE extra (a)")
        raw.commit()
    with Case.open(closed) as case:
        problems = case.verify()
    assert any("journal_is_never_updated was removed" in problem for problem in problems)
    assert any("extra was added" in problem for problem in problems)


def test_a_changed_guard_is_noticed(closed: Path) -> None:
    with closing(sqlite3.connect(closed / "case.db")) as raw:
        raw.execute("DROP TRIGGER journal_is_never_updated")
        raw.execute(
            "CREATE TRIGGER journal_is_never_updated BEFORE UPDATE ON journal BEGIN SELECT 1; END"
        )
        raw.commit()
    with Case.open(closed) as case:
        assert any(
            "journal_is_never_updated of the database was changed" in p for p in case.verify()
        )


def test_one_changed_byte_of_a_derived_array_is_found(closed: Path) -> None:
    path = closed / "derived" / "test" / "combined.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with Case.open(closed) as case:
        assert case.verify() == [
            "The derived array combined (test/combined.npy) was changed after it was written."
        ]
        path.unlink()
        (problem,) = case.verify()
        assert "No such file" in problem


def test_verification_can_be_stopped(case: Case) -> None:
    store(case, "anything", np.zeros(1_000_000, np.float64))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.verify(stop)


def test_opening_looks_at_the_newest_links_only(case: Case) -> None:
    with case.transaction():
        for number in range(50):
            case.journal.append("note", number=number)
    case.close()
    with behind_its_back(case.path) as raw:
        raw.execute("UPDATE journal SET entry = 'x' WHERE seq = 2")
    with Case.open(case.path, read_only=True) as opened:
        journal: Journal = opened.journal
        assert journal.verify(last=49) == []
        assert journal.verify(last=51) != []
        assert [entry.act for entry in journal.entries()][:3] == ["created", "damaged", "note"]
