"""A model spec through the command line: written for every case, edited, given back."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inspector.case import Case
from inspector.intake.models.spec import parse_spec, read_spec
from inspector.places import resources

Command = Callable[..., Any]
SCHEMA = json.loads((resources() / "schema" / "scan.schema.json").read_text("utf-8"))


@pytest.fixture
def evidence(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demonstration's evidence beside which a spec can lie."""
    return Path(shutil.copytree(demo / "evidence", tmp_path / "evidence"))


def test_every_case_has_its_spec(case: Path) -> None:
    spec = read_spec(case / "model-spec.toml")
    assert spec.get("weights", "file") == "model.safetensors"
    assert spec.get("architecture", "family") == "builtin"
    assert spec.get("preprocess", "mean") is not None
    with Case.open(case) as opened:
        entry = next(one for one in opened.journal.entries() if one.act == "model rebuilt")
        assert opened.journal.attachment(entry.seq) == (case / "model-spec.toml").read_bytes()
        assert entry.details["candidates"][0]["score"] == 1.0
        assert entry.details["tried"] > 5


def test_one_line_beside_the_model_is_enough(
    evidence: Path, command: Command, document: Callable[..., Any], tmp_path: Path
) -> None:
    spec = evidence / "m.toml"
    spec.write_text('weights.file = "model.safetensors"\n')
    given = ("--spec", spec, "--data", evidence / "data", "--case", tmp_path / "a.case")
    found = document(command("scan", *given, "--json"))
    jsonschema.validate(found, SCHEMA)
    model = found["model"]
    assert model["spec"]["given"]["stated"] == {"weights": {"file": "model.safetensors"}}
    assert model["candidates"][0]["chosen"]
    assert len(model["tried"]) > 5
    # The written spec states all of it: nothing is left to try.
    written = Path(model["spec"]["file"])
    shutil.copy(written, evidence / "whole.toml")
    given = ("--spec", evidence / "whole.toml", "--data", evidence / "data")
    again = document(command("scan", *given, "--case", tmp_path / "b.case", "--json"))
    assert len(again["model"]["tried"]) == 1
    assert again["model"]["accuracy"] == model["accuracy"]
    assert again["findings"][0]["classes"] == found["findings"][0]["classes"]
    shown = command("scan", *given, "--case", tmp_path / "b.case").stdout
    assert "Recognised by its tensors" in shown
    assert "model-spec.toml" in shown


def test_an_edited_spec_is_used_and_not_written_over(
    case: Path, demo: Path, command: Command, document: Callable[..., Any]
) -> None:
    evidence = demo / "evidence"
    spec = case / "model-spec.toml"
    text = spec.read_text("utf-8").replace("[features]", "").rstrip()
    edited = f'{text}\n\n[features]\nlayer = "conv2"\n'
    spec.write_text(edited, "utf-8")
    parse_spec(edited)
    arguments = ("--model", evidence / "model.safetensors", "--data", evidence / "data")
    found = document(command("scan", *arguments, "--case", case, "--spec", spec, "--json"))
    assert found["model"]["layer"] == "conv2"
    assert spec.read_text("utf-8") == edited
    assert Path(found["model"]["spec"]["file"]).name == "model-spec.measured.toml"
    with sqlite3.connect(f"file:{case / 'case.db'}?mode=ro", uri=True):
        pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[preproces]\n", "preprocess"),
        ('weights.file = "../model.safetensors"', "relative"),
        ('weights.file = "other.pt"', "other.pt"),
        ("not toml", "TOML"),
        ("preprocess.size = [7, 7]", "7×7"),
        ('architecture = { family = "plugin", name = "absent" }', "No installed plugin"),
    ],
)
def test_a_wrong_spec_is_one_line_and_leaves_nothing(
    demo: Path, command: Command, tmp_path: Path, text: str, said: str
) -> None:
    spec = tmp_path / "m.toml"
    spec.write_text(text)
    evidence = demo / "evidence"
    arguments = ("--model", evidence / "model.safetensors", "--data", evidence / "data")
    done = command("scan", *arguments, "--case", tmp_path / "c.case", "--spec", spec)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scan_without_a_model_asks_for_one(demo: Path, command: Command, tmp_path: Path) -> None:
    done = command("scan", "--data", demo / "evidence" / "data", "--case", tmp_path / "d.case")
    assert done.returncode == 2
    assert "--model" in done.stderr
