"""An audit from the draw to the verdict "high", as a person does it on the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector.places import resources

Command = Callable[..., Any]


def _planted(demo: Path) -> dict[str, str]:
    with (demo / "truth.csv").open(newline="") as file:
        return {row["uri"]: row["label"] for row in csv.DictReader(file) if row["poisoned"] == "1"}


def test_a_drawn_and_reviewed_class_becomes_high(
    demo: Path, case: Path, tmp_path: Path, command: Command, document: Command
) -> None:
    planted = _planted(demo)
    target = next(iter(planted.values()))
    drawn = command("audit", case, "--class", target, "--draw", 80, "--seed", 1)
    assert drawn.returncode == 0, drawn.stderr
    assert "cannot be significant with 80 verified" in drawn.stdout
    listed = command("audit", case, "--class", target, "--csv")
    rows = list(csv.DictReader(io.StringIO(listed.stdout)))
    assert len(rows) == 80
    for row in rows:
        row["verdict"] = "poison" if row["uri"] in planted else "clean"
    verdicts = tmp_path / "verdicts.csv"
    with verdicts.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["index", "uri", "verdict"])
        writer.writeheader()
        writer.writerows(rows)
    taken = command("audit", case, "--import", verdicts)
    assert taken.returncode == 0, taken.stderr
    assert "Scan again" in taken.stdout

    audits = document(command("audit", case, "--class", target, "--json"))
    schema = json.loads((resources() / "schema" / "audit.schema.json").read_text())
    jsonschema.validate(audits, schema)
    found = audits["audits"][0]
    poison = sum(row["verdict"] == "poison" for row in rows)
    assert found["verdicts"]["poison"] == poison
    share = found["prevalence"]
    assert share["low"] <= poison / 80 <= share["high"]

    evidence = demo / "evidence"
    scanned = document(
        command(
            *("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data"),
            *("--case", case, "--json"),
        )
    )
    by_name = {row["name"]: row for row in scanned["classes"]}
    assert by_name[target]["verdict"] == "high"
    assert by_name[target]["verified"] == 80 - poison
    assert by_name[target]["p_value_holm"] <= 0.05
    assert scanned["calibrated"]
    # A class that nobody audited has no p-value and no claim beyond comparison.
    others = [row for name, row in by_name.items() if name != target]
    assert all(row["p_value"] is None and row["verdict"] != "high" for row in others)

    found = command("tag", case, "--tag", "poison", "--where", "q_value <= 0.1")
    assert found.returncode == 0, found.stderr
    tagged = document(command("ranking", case, "--json"))["samples"]
    hit = [sample["uri"] in planted for sample in tagged if "poison" in sample["tags"]]
    assert sum(hit) >= 0.7 * len(hit) > 0
    # A repetition takes the audit along: p-values come out the same.
    again = {row["name"]: row["same"] for row in document(command("rerun", case, "--json"))["rows"]}
    assert again["q_value"] is again["p_value"] is again["combined"] is True
    explained = document(command("ranking", case, "--top", 5, "--json", "--explain"))
    assert all(sample["why"] for sample in explained["samples"])
    assert "of its class" in explained["samples"][0]["why"][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--draw", 5), "--class NAME"),
        (("--csv",), "--class NAME"),
        (("--class", "no such class", "--draw", 5), "no such class"),
        (("--class", "0", "--draw", 0), "cannot be drawn"),
        (("--import", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    case: Path, command: Command, arguments: tuple[Any, ...], said: str
) -> None:
    done = command("audit", case, *arguments)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("inspector: ")]
    assert len(lines) == 1
    assert said in lines[0]


def test_a_verdict_on_a_sample_that_was_not_drawn_changes_nothing(
    case: Path, tmp_path: Path, command: Command, document: Command
) -> None:
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text("index,verdict\n0,clean\n")
    done = command("audit", case, "--import", verdicts)
    assert done.returncode == 2
    assert "was not drawn" in done.stderr
    assert document(command("audit", case, "--json"))["audits"] == []


def test_without_an_audit_it_says_how_to_begin(case: Path, command: Command) -> None:
    done = command("audit", case)
    assert done.returncode == 0
    assert "--draw" in done.stdout
