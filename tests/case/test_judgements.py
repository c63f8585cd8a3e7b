"""Notes, own kinds of tags, and proposals, which are no tags until somebody accepts them."""

from __future__ import annotations

import json
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
from inspector.errors import BadInput, CaseError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def document(schema: str, *arguments: object) -> dict[str, Any]:
    """Return what a command prints as JSON, checked against its schema."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    parsed: dict[str, Any] = json.loads(done.stdout)
    place = places.resources() / "schema" / f"{schema}.schema.json"
    jsonschema.validate(parsed, json.loads(place.read_text()))
    return parsed


def test_notes_on_samples_and_on_the_case_survive_with_their_history(folder: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        case.notes.add("seen with Ada", [])
        case.notes.add("a sticker", [1, 2])
        case.notes.add("no, a stamp", [2])
        case.notes.add("", [1])
    with Case.open(folder) as case:
        assert [note.text for note in case.notes.on_case()] == ["seen with Ada"]
        assert {row: note.text for row, note in case.notes.on_samples().items()} == {
            2: "no, a stamp"
        }
        assert [note.text for note in case.notes.every() if 2 in note.rows] == [
            "a sticker",
            "no, a stamp",
        ]
        assert case.notes.every()[0].user
        head = case.journal.head
        for text, rows in (("x", [6]), ("x", [-1]), ("x" * 20_001, [])):
            with pytest.raises(BadInput):
                case.notes.add(text, rows)
        assert case.journal.head == head
        assert case.verify() == []


def test_a_note_that_was_rolled_back_is_not_shown(scanned: Case) -> None:
    def fail() -> None:
        with scanned.transaction():
            scanned.notes.add("lost", [1])
            assert 1 in scanned.notes.on_samples()
            raise CaseError("a full disk")

    with pytest.raises(CaseError):
        fail()
    assert scanned.notes.on_samples() == {}


def test_own_kinds_have_a_colour_and_a_key_that_can_change(folder: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        for name in ("watermark", "sticker"):
            case.tags.add_kind(name)
        case.tags.apply([1], "watermark")
        changed = case.tags.change_kind("watermark", key="9", colour="#ABCDEF")
        assert (changed.key, changed.colour) == ("9", "#abcdef")
        assert case.tags.of(1) == ["watermark"]
        for name, key in (("poison", "9"), ("sticker", "9"), ("sticker", "x"), ("nothing", None)):
            with pytest.raises(BadInput):
                case.tags.change_kind(name, key=key)
    with Case.open(folder) as case:
        assert [(kind.name, kind.key) for kind in case.tags.kinds[4:]] == [
            ("watermark", "9"),
            ("sticker", "6"),
        ]
        assert case.tags.of(1) == ["watermark"]
        assert case.verify() == []


def test_a_proposal_counts_for_nothing_until_it_is_accepted(folder: Path) -> None:
    with Case.create(folder) as case:
        fill(case)
        one = case.proposals.add([1, 3], "poison", source="trigger search", note="corner patch")
        assert one is not None
        assert case.proposals.add([3, 1], "poison", source="trigger search") == one
        assert case.proposals.add([], "poison", source="trigger search") is None
        other = case.proposals.add(np.arange(6) == 5, "suspect", source="detector spectral")
        assert other is not None
        assert not case.tags.tagged().any()
        assert np.flatnonzero(case.proposals.mask()).tolist() == [1, 3, 5]
    with Case.open(folder) as case:
        case.tags.apply([3], "poison", note="by hand")
        entry = case.proposals.accept(one.number, "looked at both")
        assert entry is not None
        assert case.tags.names([1, 3]) == [["poison"], ["poison"]]
        reasons = case.tags.reasons([1, 3])
        assert reasons[1][0].source == f"proposal {one.number}: trigger search"
        assert reasons[1][0].note == "looked at both"
        assert (reasons[3][0].source, reasons[3][0].note) == ("manual", "by hand")
        case.proposals.reject(other.number, "a rare class")
        states = [(p.state, p.why, bool(p.decided_by)) for p in case.proposals.all()]
        assert states == [
            ("accepted", "looked at both", True),
            ("rejected", "a rare class", True),
        ]
        for number in (one.number, other.number):
            with pytest.raises(BadInput, match="already"):
                case.proposals.accept(number)
        assert not case.proposals.mask().any()
        acts = [entry.act for entry in case.journal.entries()]
        assert "proposal accepted" in acts
        assert "proposal rejected" in acts
        assert case.verify() == []


def test_an_acceptance_that_is_undone_leaves_the_proposal_open(scanned: Case) -> None:
    one = scanned.proposals.add([1, 3], "poison", source="trigger search")
    assert one is not None
    scanned.proposals.accept(one.number)
    scanned.tags.undo()
    assert scanned.proposals.get(one.number).state == "open"
    assert not scanned.tags.tagged().any()
    scanned.tags.redo()
    assert scanned.proposals.get(one.number).state == "accepted"
    scanned.tags.undo()
    scanned.tags.apply([0], "clean")
    scanned.proposals.accept(one.number)
    assert scanned.tags.names([1, 3]) == [["poison"], ["poison"]]
    assert scanned.verify() == []


def test_a_failure_between_tag_and_decision_keeps_neither(
    scanned: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scanned.proposals.add([1, 3], "poison", source="trigger search")
    assert one is not None

    def full(*_: object) -> None:
        raise CaseError("a full disk")

    monkeypatch.setattr(scanned.proposals, "_decide", full)
    with pytest.raises(CaseError):
        scanned.proposals.accept(one.number)
    assert not scanned.tags.tagged().any()
    assert scanned.proposals.get(one.number).state == "open"


def test_the_rows_of_a_proposal_are_vouched_for(scanned: Case) -> None:
    one = scanned.proposals.add([1, 3], "poison", source="trigger search")
    assert one is not None
    with scanned.transaction():
        for name in ("updated", "deleted"):
            scanned._database.execute(f"DROP TRIGGER attachment_is_never_{name}")
        scanned._database.execute("UPDATE attachment SET content = x'00'")
    assert any(f"attachment of entry {one.number} was changed" in p for p in scanned.verify())
    with pytest.raises(CaseError, match="cannot be read"):
        scanned.proposals.accept(one.number)


@pytest.fixture
def closed(folder: Path) -> Path:
    with Case.create(folder) as case:
        fill(case)
    return folder


def test_the_command_line_judges(closed: Path) -> None:
    made = run("proposals", "add", closed, "--where", "combined >= 0.7", "--tag", "suspect")
    assert made.exit_code == 0, made.output
    listed = document("proposals", "proposals", "list", closed)["proposals"]
    assert [row["rows"] for row in listed] == [[1, 3, 5]]
    assert listed[0]["source"] == "threshold rule combined >= 0.7"
    number = listed[0]["number"]
    assert "3 samples" in run("proposals", "list", closed).stdout
    assert run("proposals", "accept", closed, number, "--why", "all alike").exit_code == 0
    assert run("proposals", "reject", closed, number).exit_code == 2
    assert run("proposals", "accept", closed, 99).exit_code == 2
    assert run("undo", closed).exit_code == 0
    assert run("proposals", "reject", closed, number).exit_code == 0
    assert document("tags", "tags", closed)["tags"][1]["count"] == 0


def test_the_command_line_tags_with_reasons_notes_and_own_kinds(closed: Path) -> None:
    assert run("tags", closed, "--define", "sticker", "--key", "7").exit_code == 0
    assert run("tags", closed, "--define", "sticker", "--colour", "#123456").exit_code == 0
    done = run("tag", closed, "--tag", "sticker", "--why", "yellow", "--where", "label == 'cat'")
    assert done.exit_code == 0, done.output
    assert "7  #123456          2  sticker" in run("tags", closed).stdout
    assert run("note", closed, "round, yellow", "--sample", 1).exit_code == 0
    assert run("note", closed, "asked the lab").exit_code == 0
    assert "round, yellow" in run("note", closed).stdout
    assert "case  asked the lab" in run("note", closed).stdout
    with Case.open(closed, read_only=True) as case:
        (reason,) = case.tags.reasons([1])[1]
        assert (reason.note, reason.source) == ("yellow", "threshold rule label == 'cat'")
    for refused in (
        ("note", closed, "x", "--sample", 6),
        ("note", closed, " "),
        ("tags", closed, "--key", "8"),
        ("tags", closed, "--define", "poison", "--key", "8"),
        ("tag", closed, "--where", "combined >"),
        ("tag", closed, "--where", "combined > 0", "--top", 5, "--from-ranking", "combined"),
    ):
        assert run(*refused).exit_code == 2, refused


def test_read_only_media_refuse_every_act_in_one_sentence(closed: Path) -> None:
    before = (closed / "case.db").read_bytes()
    with Case.open(closed, read_only=True) as case:
        for act in (
            lambda: case.notes.add("x"),
            lambda: case.proposals.add([1], "poison", source="x"),
            lambda: case.tags.change_kind("poison"),
            lambda: case.keep("audit", "1", {}),
            lambda: (
                case.watch.settle(case.evidence()[0], "0" * 64, "")
                if case.evidence()
                else case.journal.append("x")
            ),
        ):
            with pytest.raises((CaseError, BadInput)) as caught:
                act()
            assert "for reading only" in str(caught.value)
    assert (closed / "case.db").read_bytes() == before


def test_commands_that_write_refuse_a_case_on_read_only_media(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.case.layout.writable", lambda path: False)
    before = {path: path.read_bytes() for path in closed.rglob("*") if path.is_file()}
    for command in (
        ("tag", closed, "--where", "combined > 0"),
        ("untag", closed, "--tag", "poison", "--where", "combined > 0"),
        ("undo", closed),
        ("redo", closed),
        ("note", closed, "x"),
        ("tags", closed, "--define", "sticker"),
        ("proposals", "add", closed, "--where", "combined > 0"),
    ):
        done = run(*command)
        assert done.exit_code == 2, command
        assert "for reading only" in done.output, command
        assert len(done.output.strip().splitlines()) == 1
    assert run("tags", closed).exit_code == 0
    assert run("history", closed).exit_code == 0
    assert run("verify", closed).exit_code == 0
    assert {path: path.read_bytes() for path in closed.rglob("*") if path.is_file()} == before


def test_the_history_as_json_has_all_details_and_the_head(closed: Path) -> None:
    run("tag", closed, "--tag", "poison", "--why", "a stamp", "--where", "combined > 0.9")
    history = document("history", "history", closed)
    tagged = next(entry for entry in history["entries"] if entry["act"] == "tag")
    assert tagged["details"]["note"] == "a stamp"
    assert history["entries"][-1]["hash"] == history["head"]


def test_a_scan_that_was_under_way_is_said_to_be_interrupted(closed: Path) -> None:
    with Case.open(closed) as case:
        started = case.journal.append("scan started")
    for _ in range(2):
        with Case.open(closed) as case:
            (entry,) = case.journal.of_act("scan interrupted")
            assert entry.details["of"] == started.seq
    with Case.open(closed) as case:
        case.journal.append("scan started")
        case.journal.append("scan failed", reason="x")
    with Case.open(closed) as case:
        assert len(case.journal.of_act("scan interrupted")) == 1
