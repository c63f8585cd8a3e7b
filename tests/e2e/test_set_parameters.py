"""``scan --set``: a value reaches its detector, which alone runs again; everything says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from inspector.case import Case
from inspector.places import resources

Command = Callable[..., Any]
SET = ("--set", "spectral-whitened.directions=3")


def _ran(case: Path) -> list[str]:
    """Return the detectors that the last scan ran, by the journal."""
    with Case.open(case, read_only=True) as opened:
        entries = opened.journal.entries()
    start = max(at for at, entry in enumerate(entries) if entry.act == "scan started")
    return [str(one.details["key"]) for one in entries[start:] if one.act == "finding"]


def test_a_changed_value_reruns_its_detector_only_and_is_told_everywhere(
    demo: Path, case: Path, command: Command, document: Command, tmp_path: Path
) -> None:
    evidence = demo / "evidence"
    scan = ("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data",
            "--case", case)  # fmt: skip
    usual = document(command(*scan, "--json"))
    assert _ran(case) == []
    done = command(*scan, *SET, "--json")
    assert _ran(case) == ["spectral-whitened"]
    assert "Kept as they were" in done.stderr
    found = document(done)
    schema = json.loads((resources() / "schema" / "scan.schema.json").read_text())
    jsonschema.validate(found, schema)
    by_id = {finding["id"]: finding for finding in found["findings"]}
    whitened = by_id["spectral-whitened"]
    assert (whitened["parameters"], whitened["in_place_of"]) == (
        {"directions": 3},
        {"directions": 24},
    )
    assert any("measured with the defaults only" in text for text in whitened["caveats"])
    assert any("directions = 3 in place of 24" in text for text in found["caveats"])
    assert found["classes"] != usual["classes"]
    assert by_id["spectral"]["in_place_of"] == {}
    assert list(by_id) == [finding["id"] for finding in usual["findings"]]

    said = command(*scan, *SET).stdout
    assert _ran(case) == []
    assert "Whitened spectral score, with directions = 3 in place of 24: " in said
    report = tmp_path / "report.html"
    assert command("report", case, "--to", report).returncode == 0
    assert "with directions = 3 in place of 24" in report.read_text()

    again = document(command("rerun", case, "--json"))
    assert again["same"], [row for row in again["rows"] if not row["same"]]
    assert {"score:spectral", "score:spectral-whitened", "finding spectral-whitened"} <= {
        row["name"] for row in again["rows"]
    }
    assert document(command(*scan, "--json"))["classes"] == usual["classes"]
    assert _ran(case) == ["spectral-whitened"]


def test_a_wrong_value_is_refused_before_there_is_a_case(
    demo: Path, command: Command, tmp_path: Path
) -> None:
    evidence = demo / "evidence"
    done = command(
        *("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data"),
        *("--case", tmp_path / "new.case", "--set", "strip.overlays=200"),
    )
    assert done.returncode == 2
    assert "strip.overlays cannot be '200'. It must be a whole number from 1 to 100" in done.stderr
    assert not (tmp_path / "new.case").exists()
