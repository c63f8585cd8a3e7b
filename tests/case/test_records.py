"""Evidence, findings, triggers, unreadable samples and old cases."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from case_makers import describe, locate, store

from inspector.case import Case, opening, schema
from inspector.case.canonical import canonical, plain, valid_unicode
from inspector.errors import CaseError

SHA = "ab" * 32


def test_evidence_is_recorded_with_digest_and_place(case: Case, tmp_path: Path) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(b"weights")
    item = case.add_evidence("model", model, SHA, 7, {"container": "torch-zip"})
    assert case.evidence() == [item]
    assert (item.role, item.path, item.sha256, item.size) == ("model", str(model), SHA, 7)
    assert item.mtime_ns == model.stat().st_mtime_ns
    assert item.details == {"container": "torch-zip"}
    entry = case.journal.entries()[-1]
    assert entry.act == "evidence"
    assert entry.details["sha256"] == SHA


def test_the_same_evidence_again_is_no_act(case: Case, tmp_path: Path) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(b"weights")
    case.add_evidence("model", model, SHA, 7)
    head = case.journal.head
    os.utime(model, ns=(1, 1))
    case.add_evidence("model", model, SHA, 7)
    assert case.journal.head == head
    case.add_evidence("model", model, "cd" * 32, 7)
    assert len(case.evidence()) == 1
    details = case.journal.entries()[-1].details
    assert (details["sha256"], details["former_sha256"]) == ("cd" * 32, SHA)


def test_touched_and_missing_evidence_is_noticed(case: Case, tmp_path: Path) -> None:
    for name in ("same", "longer", "touched", "gone"):
        (tmp_path / name).write_bytes(b"1234567")
        case.add_evidence("data", tmp_path / name, SHA, 7)
    (tmp_path / "data").mkdir()
    case.add_evidence("data", tmp_path / "data", SHA, 12345)
    case.add_evidence("reference", "/not/there", SHA, 7)
    assert [item.path for item, _ in case.changed_evidence()] == ["/not/there"]
    (tmp_path / "longer").write_bytes(b"12345678")
    os.utime(tmp_path / "touched", ns=(1, 1))
    (tmp_path / "gone").unlink()
    found = {Path(item.path).name: why for item, why in case.changed_evidence()}
    assert set(found) == {"longer", "touched", "gone", "there"}
    assert "now has 8" in found["longer"]
    assert "written to since" in found["touched"]
    assert "No such file" in found["gone"]


def test_paths_that_are_not_utf8_survive(folder: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/mod\xffel.pt"))
    odd.write_bytes(b"x")
    with Case.create(folder) as case:
        case.add_evidence("model", odd, SHA, 1)
    with Case.open(folder) as case:
        assert case.evidence()[0].path == str(odd)
        assert case.changed_evidence() == []


def test_a_finding_replaces_the_former_one(case: Case) -> None:
    case.record_finding("spectral", {"verdict": "low", "seconds": 1.5, "seed": 3})
    case.record_finding("other", {"verdict": "none"})
    case.record_finding("spectral", {"verdict": "high", "p": np.float32("nan"), "version": "2"})
    assert case.findings()["spectral"] == {
        "id": "spectral",
        "verdict": "high",
        "p": None,
        "version": "2",
    }
    assert set(case.findings()) == {"spectral", "other"}
    details = case.journal.entries()[-1].details
    assert (details["key"], details["verdict"], details["version"]) == ("spectral", "high", "2")
    with pytest.raises(CaseError, match="verdict is 'clean'"):
        case.record_finding("spectral", {"verdict": "clean"})


def test_triggers_are_kept_by_class_and_method(case: Case) -> None:
    case.record_trigger(3, "neural-cleanse", {"mask_l1": 9.0})
    case.record_trigger(1, "neural-cleanse", {"mask_l1": 20.0})
    case.record_trigger(3, "neural-cleanse", {"mask_l1": 8.5, "anomaly": 4.0})
    found = case.triggers()
    assert [(t["index"], t["method"], t["mask_l1"]) for t in found] == [
        (1, "neural-cleanse", 20.0),
        (3, "neural-cleanse", 8.5),
    ]


def test_unreadable_samples_carry_their_reason(case: Case) -> None:
    describe(case, 5)
    head = case.journal.head
    case.set_unreadable([])
    assert case.journal.head == head
    case.set_unreadable([(4, "not an image"), (1, "truncated")])
    assert case.unreadable() == {1: "truncated", 4: "not an image"}
    case.set_unreadable([])
    assert case.unreadable() == {}
    for rows in ([(5, "x")], [(-1, "x")]):
        with pytest.raises(CaseError, match="outside of 0 to 4"):
            case.set_unreadable(rows)


@pytest.mark.parametrize(
    "dataset", [{"n": "5"}, {"n": -1}, {"n": 2**40}, {"n": 1.5}, {"n": 3, "class_names": "ab"}, [1]]
)
def test_a_dataset_that_cannot_be_is_refused(case: Case, dataset: object) -> None:
    describe(case, 3)
    with pytest.raises(CaseError, match="description of the dataset was refused"):
        case.set("dataset", dataset)
    assert case.n == 3


def test_locators_are_decoded_one_by_one(case: Case) -> None:
    describe(case, 3)
    locate(case, [b"a/\xc3\xbc.png", b"", b"b/\xff.png"])
    assert [case.locator(row) for row in range(3)] == ["a/ü.png", "", "b/\udcff.png"]
    for row in (-1, 3):
        with pytest.raises(IndexError):
            case.locator(row)


@pytest.mark.parametrize("offsets", [[0, 9, 1], [0, 2, 99], [-5, 0, 1], [3, 2, 3]])
def test_a_damaged_table_of_samples_is_no_crash(case: Case, offsets: list[int]) -> None:
    describe(case, 2)
    store(case, "locator_bytes", np.zeros(3, np.uint8))
    store(case, "locator_offsets", np.array(offsets, np.int64))
    with pytest.raises(CaseError, match="table of samples is damaged"):
        [case.locator(row) for row in range(2)]


def test_a_damaged_record_is_named(case: Case) -> None:
    case.set("scan", {"a": 1})
    with case.transaction():
        case._database.execute("UPDATE record SET value = '{' WHERE key = 'scan'")
    with pytest.raises(CaseError, match="setting 'scan' of this case is damaged"):
        case.get("scan")


def test_a_statement_outside_of_a_transaction_is_refused(case: Case) -> None:
    with pytest.raises(CaseError, match="outside of a transaction"):
        case._database.execute("DELETE FROM record")
    with pytest.raises(CaseError, match=r"database of the case .* refused"):
        case._database.rows("SELECT nothing FROM nowhere")


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this program be one version further, with a table more."""
    further = (*schema.MIGRATIONS, ("CREATE TABLE audit (row INTEGER PRIMARY KEY)",))
    monkeypatch.setattr(schema, "MIGRATIONS", further)


def test_an_older_case_is_backed_up_and_upgraded(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([1], "poison")
    request.getfixturevalue("next_version")
    with Case.open(folder, read_only=True) as case:
        assert case.tags.of(1) == ["poison"]
    assert not list(folder.glob("*.bak*"))
    with Case.open(folder) as case:
        assert case.tags.of(1) == ["poison"]
        assert case.verify() == []
    with closing(sqlite3.connect(folder / "case.db")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (3,)
        assert raw.execute("SELECT count(*) FROM audit").fetchone() == (0,)
    with closing(sqlite3.connect(folder / "case.db.bak-v2")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (2,)
        assert raw.execute("SELECT count(*) FROM journal").fetchone()[0] > 1
    assert sorted(path.name for path in folder.glob("case.*")) == [
        "case.db",
        "case.db.bak-v2",
        "case.lock",
    ]


def test_an_upgrade_that_fails_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Case.create(folder).close()
    for bad in ("CREATE TABLE journal (a)", "PRAGMA foreign_keys"):
        steps = [("CREATE TABLE more (a)", bad)]
        if bad.startswith("PRAGMA"):
            steps = [("CREATE TABLE child (a REFERENCES more (b))", "INSERT INTO child VALUES (1)")]
        with monkeypatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))
            with pytest.raises(CaseError):
                Case.open(folder)
        with Case.open(folder) as case:
            assert case.verify() == []


def test_network_shares_get_a_rollback_journal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opening._on_network(folder) is False
    monkeypatch.setattr(opening, "_on_network", lambda path: True)
    with Case.create(folder) as case:
        describe(case, 10)
        case.tags.apply([1], "poison")
        assert not list(folder.glob("*-wal"))
    with Case.open(folder) as case:
        assert case.tags.of(1) == ["poison"]


def test_the_kind_of_file_system_is_read_from_the_mount_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 0:20 / / rw - ext4 /dev/sda rw\n"
        "30 22 0:40 / /mnt/team\\040share rw shared:1 - nfs4 server:/x rw\n"
        "31 30 0:41 / /mnt/team\\040share/local rw - ext4 /dev/sdb rw\n"
        "32 22 0:42 / /home/me/remote rw - fuse.sshfs host: rw\n"
    )
    real = open

    def fake(path: object, *rest: object, **named: object) -> object:
        return real(table if path == "/proc/self/mountinfo" else path, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", fake)
    for path, expected in (
        ("/mnt/team share/a.case/case.db", True),
        ("/mnt/team share/local/a.case/case.db", False),
        ("/home/me/remote/case.db", True),
        ("/home/me/remoteness/case.db", False),
        ("/home/me/case.db", False),
    ):
        assert opening._on_network(Path(path)) is expected, path
    table.unlink()
    assert opening._on_network(Path("/mnt/team share/x")) is False


def test_json_has_one_spelling() -> None:
    value = {
        "b": (1, np.float32(0.5), np.int64(2), float("inf")),
        "a": Path("/x"),
        "c": None,
        "d": True,
    }
    assert canonical(value) == '{"a":"/x","b":[1,0.5,2,null],"c":null,"d":true}'
    assert plain(np.array([[1, 2]])) == [[1, 2]]
    with pytest.raises(TypeError):
        plain(b"bytes")


def test_text_is_made_valid_unicode() -> None:
    assert valid_unicode("ü") == "ü"
    assert valid_unicode("a\udcffb\udcfe") == "a\\xffb\\xfe"
    assert valid_unicode("\ud800").isascii()
