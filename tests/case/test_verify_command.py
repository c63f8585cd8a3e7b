"""``inspector verify``: one changed byte anywhere is found, and said to be where it is."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from case_makers import fill
from click.testing import CliRunner, Result

from inspector import places
from inspector.case import Case
from inspector.cli import main
from inspector.engine.client import process
from inspector.engine.client.evidence import hash_evidence
from inspector.engine.client.exporting import export_case
from inspector.intake.datasets import open_dataset

SCHEMA = json.loads((places.resources() / "schema" / "verify.schema.json").read_text())


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def verified(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Return exit code and document of ``inspector verify --json``."""
    done = run("verify", *arguments, "--json")
    assert done.stdout, done.output
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return done.exit_code, document


@pytest.fixture
def exported(folder: Path, tmp_path: Path) -> Path:
    """A closed case with tags, arrays, evidence and an export in its own folder."""
    data = tmp_path / "data.npz"
    images = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)
    np.savez(data, x=images, y=np.array([0, 0, 1, 1, 2, 2]))
    with Case.create(folder) as case:
        fill(case)
        digest = open_dataset(data).digest()
        case.add_evidence("data", data, digest, data.stat().st_size)
        case.tags.apply([1, 2], "poison")
        export_case(case, case.tags.mask("poison"), case.exports / "cleaned", tags=["poison"])
        assert case.verify() == []
    return folder


def test_a_whole_case_says_so_and_names_its_head(exported: Path) -> None:
    code, document = verified(exported)
    assert code == 0
    assert document["whole"]
    assert document["differences"] == document["not_checked"] == []
    assert document["checked"]["exports"] == document["checked"]["evidence"] == 1
    assert document["checked"]["arrays"] == 11
    with Case.open(exported, read_only=True) as case:
        assert document["journal_head"] == case.journal.head
        assert document["checked"]["entries"] == case.journal.entries()[-1].seq
    said = run("verify", exported).stdout
    assert f"head {document['journal_head']}" in said
    assert "as it was written" in said


def test_checking_writes_nothing_unless_it_is_asked_to(exported: Path) -> None:
    before = {p: p.read_bytes() for p in exported.rglob("case.*")}
    verified(exported)
    assert {p: p.read_bytes() for p in exported.rglob("case.*")} == before
    assert run("verify", exported, "--record").exit_code == 0
    with Case.open(exported, read_only=True) as case:
        (entry,) = case.journal.of_act("verified")
        assert entry.details["whole"]
        assert case.journal.of_act("evidence verified")[0].details["role"] == "data"


def _flip(path: Path, at: int) -> bytes:
    content = path.read_bytes()
    changed = bytearray(content)
    changed[at] ^= 1
    path.write_bytes(changed)
    return content


def _first(document: dict[str, Any]) -> tuple[str, str]:
    line = document["differences"][0]
    return line["part"], line["what"]


def test_the_engine_that_hashes_never_gets_the_case_to_write_into(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On read-only media it could not even start there."""
    given: list[Path] = []
    begin = process.Engine.start

    def start(engine: process.Engine) -> None:
        given.append(engine.derived)
        begin(engine)

    monkeypatch.setattr(process.Engine, "start", start)
    with Case.open(exported, read_only=True) as case:
        assert all(one.sha256 == one.item.sha256 for one in hash_evidence(case, case.evidence()))
    (scratch,) = given
    assert not scratch.is_relative_to(exported)
    assert not scratch.exists()


def test_one_byte_of_the_journal_in_the_file_itself(exported: Path) -> None:
    database = exported / "case.db"
    place = database.read_bytes().find(b'"act":"tag"')
    assert place > 0
    kept = _flip(database, place + 7)
    code, document = verified(exported, "--no-evidence")
    assert code == 1
    part, what = _first(document)
    assert part == "journal"
    with Case.open(exported, read_only=True) as case:
        (tag,) = [entry for entry in case.journal.entries() if entry.act in ("uag", "tag")]
    assert f"Journal entry {tag.seq} " in what
    said = run("verify", exported, "--no-evidence")
    assert said.exit_code == 1
    assert f"The first difference is in the journal: Journal entry {tag.seq} " in said.stdout
    database.write_bytes(kept)
    assert verified(exported)[0] == 0


def test_bytes_all_over_the_database(exported: Path) -> None:
    """Whatever byte is flipped: it is found, or nothing that the case says is another thing."""
    database = exported / "case.db"
    whole = database.read_bytes()

    def content() -> list[tuple[Any, ...]]:
        with Case.open(exported, read_only=True) as case:
            return [
                row
                for table in ("journal", "change", "record", "head", "attachment")
                for row in case._database.rows(f"SELECT * FROM {table} ORDER BY 1, 2")
            ]

    original = content()
    rng = np.random.default_rng(4)
    found = 0
    for at in rng.integers(100, len(whole), 60).tolist():
        _flip(database, at)
        code, _ = verified(exported, "--no-evidence")
        assert code in (0, 1)
        found += code
        if code == 0:
            assert content() == original
        database.write_bytes(whole)
    assert found > 15


def test_one_byte_of_a_derived_array(exported: Path) -> None:
    _flip(exported / "derived" / "test" / "combined.npy", -1)
    code, document = verified(exported)
    assert code == 1
    assert _first(document)[0] == "array"
    assert "test/combined.npy" in _first(document)[1]


@pytest.mark.parametrize("name", ["data.npz", "removed.csv", "provenance.json", "manifest.sha256"])
def test_one_byte_of_an_export(exported: Path, name: str) -> None:
    _flip(exported / "exports" / "cleaned" / name, 70)
    code, document = verified(exported)
    assert code == 1
    part, what = _first(document)
    assert part == "export"
    assert name in what


def test_one_byte_of_a_report(exported: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    done = run("report", exported, "--to", target)
    assert done.exit_code == 0, done.output
    assert verified(exported)[0] == 0
    assert verified(exported)[1]["checked"]["exports"] == 2
    kept = _flip(target, 300)
    code, document = verified(exported)
    assert (code, _first(document)[0]) == (1, "export")
    assert "report.html" in _first(document)[1]
    target.write_bytes(kept)
    assert verified(exported)[0] == 0


def test_files_added_to_or_taken_from_an_export(exported: Path) -> None:
    cleaned = exported / "exports" / "cleaned"
    (cleaned / "one more.png").write_bytes(b"x")
    (cleaned / "kept.csv").unlink()
    _, document = verified(exported)
    said = [line["what"] for line in document["differences"]]
    assert any("kept.csv cannot be read" in what for what in said)
    assert any("one more.png was added" in what for what in said)


def test_an_export_moves_with_its_case_and_one_that_is_away_is_not_counted_as_changed(
    exported: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "archive" / "renamed.case"
    moved.parent.mkdir()
    exported.rename(moved)
    assert verified(moved)[1]["checked"]["exports"] == 1
    (moved / "exports" / "cleaned").rename(tmp_path / "handed over")
    code, document = verified(moved)
    assert code == 0
    assert document["not_checked"][0]["part"] == "export"


def test_the_manifest_names_odd_files_as_coreutils_does(exported: Path, tmp_path: Path) -> None:
    """Names with a line feed or a backslash are escaped there; both programs must agree."""
    odd = tmp_path / "odd"
    odd.mkdir()
    for name in ("a\nb", "c\\d", "e f", "g\rh"):
        (odd / name).write_bytes(name.encode())
    names = sorted(path.name for path in odd.iterdir())
    made = subprocess.run(["sha256sum", *names], cwd=odd, capture_output=True, check=True)
    (odd / "manifest.sha256").write_bytes(made.stdout)
    digest = hashlib.sha256(made.stdout).hexdigest()
    with Case.open(exported) as case:
        case.journal.append("exported", target=str(odd), manifest_sha256=digest)
        assert case.verify() == []


def test_changed_evidence_is_a_difference_and_missing_evidence_is_not(
    exported: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.npz"
    kept = data.read_bytes()
    images = np.zeros((6, 4, 4), np.uint8)
    np.savez(data, x=images, y=np.array([0, 0, 1, 1, 2, 2]))
    code, document = verified(exported)
    assert (code, _first(document)[0]) == (1, "evidence")
    data.write_bytes(b"no archive any more")
    code, document = verified(exported)
    assert (code, _first(document)[0]) == (1, "evidence")
    data.unlink()
    code, document = verified(exported)
    assert (code, document["not_checked"][0]["part"]) == (0, "evidence")
    data.write_bytes(kept)
    assert verified(exported)[0] == 0


def test_relocating_from_the_command_line(exported: Path, tmp_path: Path) -> None:
    place = tmp_path / "usb"
    place.mkdir()
    (tmp_path / "data.npz").rename(place / "data.npz")
    done = run("relocate", exported, "--evidence", "data", "--to", place / "data.npz")
    assert done.exit_code == 0, done.output
    assert verified(exported)[1]["checked"]["evidence"] == 1
    refused = run("relocate", exported, "--evidence", "model", "--to", place / "data.npz")
    assert refused.exit_code == 2
    assert "No piece of evidence" in refused.output
