"""Audits: drawn at random, kept with their verdicts, honest about what they can show."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from inspector import places
from inspector.case import Case
from inspector.engine.client.audit import (
    Audit,
    audit_of,
    audits,
    doubts,
    draw,
    judge,
    resolution,
    verified_codes,
    withdraw,
)
from inspector.engine.client.audit_files import audit_document, read_verdicts, write_audit_csv
from inspector.errors import BadInput

N, CLASSES = 600, ("cat", "ship", "=truck")


def _store(case: Case, name: str, values: np.ndarray) -> None:
    import hashlib

    path = case.derive("planted") / f"{name}.npy"
    np.save(path, values)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    case.set_array(name, f"planted/{name}.npy", values.dtype.str, values.shape, digest)


@pytest.fixture
def case(tmp_path: Path):
    with Case.create(tmp_path / "a.case") as made:
        made.set("dataset", {"count": N, "class_names": list(CLASSES)})
        _store(made, "labels", (np.arange(N) % 3).astype(np.int32))
        names = [f"{CLASSES[row % 3]}/{row}.png".encode() for row in range(N)]
        _store(made, "locator_bytes", np.frombuffer(b"".join(names), np.uint8).copy())
        _store(made, "locator_offsets", np.cumsum([0, *map(len, names)]).astype(np.int64))
        yield made


def test_a_draw_is_random_seeded_and_recorded(case: Case) -> None:
    first = draw(case, 1, 50, seed=3)
    assert len(set(first.rows)) == 50
    assert all(row % 3 == 1 for row in first.rows)
    assert list(first.rows) != sorted(first.rows)
    assert first.members == 200
    assert audit_of(case, 1) == first
    entry = next(e for e in case.journal.entries() if e.act == "audit")
    assert (entry.details["key"], entry.details["drawn"], entry.details["seed"]) == ("1", 50, 3)


def test_the_same_seed_draws_the_same_and_another_one_does_not(tmp_path: Path, case: Case) -> None:
    rows = draw(case, 0, 20, seed=7).rows
    assert draw(case, 2, 20, seed=7).rows != rows
    again = np.random.default_rng([7, 0, 0]).permutation(np.arange(0, N, 3))[:20]
    assert rows == tuple(again.tolist())


def test_drawing_again_extends_without_repeating(case: Case) -> None:
    draw(case, 1, 120, seed=3)
    second = draw(case, 1, 120, seed=3)
    assert len(set(second.rows)) == len(second.rows) == 200
    assert second.draws == ((3, 120), (3, 80))
    with pytest.raises(BadInput, match="no samples left"):
        draw(case, 1, 1)


def test_every_member_is_drawn_equally_often(case: Case) -> None:
    counts = np.zeros(N)
    for seed in range(200):
        case.keep("audit", "0", None)
        counts[list(draw(case, 0, 20, seed=seed).rows)] += 1
    drawn = counts[::3]
    # Each of 200 members is drawn 20 times of 200, deviation 4.2: none is 5 deviations away.
    assert drawn.min() > 0
    assert drawn.max() < 42
    assert not counts[1::3].any()


def test_unreadable_and_unassessed_samples_are_not_drawn(case: Case) -> None:
    case.set_unreadable([(0, "cut short")])
    assert draw(case, 0, 500).members == 199
    assessed = np.zeros(N, bool)
    assessed[:300] = True
    _store(case, "assessed", assessed)
    assert max(draw(case, 1, 500).rows) < 300


def test_verdicts_are_kept_replaced_and_taken_back(case: Case) -> None:
    rows = draw(case, 1, 30).rows
    judge(case, 1, dict.fromkeys(rows[:20], "clean") | {rows[3]: "poison", rows[4]: "unsure"})
    judge(case, 1, {rows[5]: "mislabelled"})
    audit = audit_of(case, 1)
    assert (audit.count("clean"), audit.count("poison"), audit.reviewed) == (17, 1, 20)
    assert audit.next_row == rows[20]
    codes = verified_codes(case)
    assert codes[list(rows[:6])].tolist() == [1, 1, 1, 3, 2, 2]
    assert np.count_nonzero(codes) == 20
    withdraw(case, 1, rows[0])
    assert verified_codes(case)[rows[0]] == 0
    assert [audit.label for audit in audits(case)] == [1]


def test_what_was_not_drawn_cannot_be_judged(case: Case) -> None:
    rows = draw(case, 1, 30).rows
    outside = next(row for row in range(1, N, 3) if row not in rows)
    with pytest.raises(BadInput, match=f"Sample {outside} was not drawn"):
        judge(case, 1, {rows[0]: "clean", outside: "clean"})
    with pytest.raises(BadInput, match="'fine' is no verdict"):
        judge(case, 1, {rows[0]: "fine"})
    assert audit_of(case, 1).reviewed == 0
    with pytest.raises(BadInput, match="There is no class 9"):
        draw(case, 9, 10)


def test_poison_in_an_audit_is_a_result_of_its_own() -> None:
    verdicts = {row: "poison" if row < 5 else "clean" for row in range(500)}
    audit = Audit(0, tuple(range(500)), ((0, 500),), verdicts, 5000)
    estimate, low, high = audit.prevalence
    assert estimate == 0.01
    assert (low, high) == pytest.approx((0.00325, 0.02319), abs=1e-4)
    assert any("5 poisoned samples are in the audit" in line for line in doubts(audit))


def test_the_resolution_is_told_with_what_more_would_bring() -> None:
    audit = Audit(0, tuple(range(500)), ((0, 500),), {}, 2300)
    assert resolution(audit) == (
        "Groups under 13 cannot be significant with 500 verified; review 500 more for 6."
    )
    assert "draw 20 or more" in resolution(Audit(0, tuple(range(5)), (), {}, 2300))
    everyone = Audit(0, tuple(range(60)), (), {}, 60)
    assert "All 60 samples of the class are drawn" in resolution(everyone)


def test_gaps_before_later_verdicts_are_doubted() -> None:
    rows = tuple(range(40))
    prefix = Audit(0, rows, (), dict.fromkeys(range(25), "clean"), 100)
    assert doubts(prefix) == []
    gaps = Audit(0, rows, (), dict.fromkeys(range(5, 25), "clean"), 100)
    assert "5 samples were passed over" in doubts(gaps)[0]


def _filled(case: Case, kind: str, folder: Path) -> Path:
    document = audit_document(case, 2)
    samples = document["audits"][0]["samples"]
    for at, sample in enumerate(samples[:-1]):
        sample["verdict"] = "Poison " if at == 0 else "clean"
    file = folder / f"verdicts.{kind}"
    if kind == "json":
        file.write_text(json.dumps(document))
    else:
        text = io.StringIO()
        write_audit_csv(samples, text)
        body = text.getvalue()
        if kind == "uri.csv":
            rows = list(csv.reader(io.StringIO(body)))
            body = "\n".join(",".join(row[1:]) for row in rows)
        file.write_text(body)
    return file


@pytest.mark.parametrize("kind", ["json", "csv", "uri.csv"])
def test_lists_survive_a_review_elsewhere(case: Case, tmp_path: Path, kind: str) -> None:
    rows = draw(case, 2, 25).rows
    verdicts = read_verdicts(_filled(case, kind, tmp_path), case)
    assert verdicts == {row: "poison" if row == rows[0] else "clean" for row in rows[:-1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("index,verdict\n2,nice\n", "'nice' is no verdict"),
        ("index\n2\n", "holds no verdicts"),
        ("index,verdict\n999999,clean\n", "Sample 999999"),
        ("index,verdict\n2,clean\n2,poison\n", "two verdicts"),
        ('[{"index": 2, "verdict": "clean"', "not valid JSON"),
        ('{"audits": 4}', "holds no verdicts"),
        ('{"audits": [{"samples": 4}]}', "holds no verdicts"),
        ("", "holds no verdicts"),
    ],
)
def test_a_file_that_fits_nothing_is_refused(case: Case, tmp_path: Path, text: str, said: str):
    file = tmp_path / "verdicts.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        read_verdicts(file, case)


def test_the_document_follows_its_schema(case: Case) -> None:
    path = places.resources() / "schema" / "audit.schema.json"
    schema = json.loads(path.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(audit_document(case))
    rows = draw(case, 0, 25).rows
    judge(case, 0, {rows[0]: "unsure"})
    for label in (None, 0):
        validator.validate(json.loads(json.dumps(audit_document(case, label))))
    assert "samples" not in audit_document(case)["audits"][0]
    assert audit_document(case, 0)["audits"][0]["samples"][0]["verdict"] == "unsure"
