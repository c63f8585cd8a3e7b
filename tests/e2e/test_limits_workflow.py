"""What could not have been seen, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from inspector.places import resources

Command = Callable[..., Any]


def test_limits_are_measured_kept_and_told(case: Path, command: Command, document: Command) -> None:
    empty = document(command("limits", case, "--json"))
    assert empty["classes"] == []
    measured = document(
        command("limits", case, "--class", 0, "--verified", 60, "--runs", 1, "--json")
    )
    schema = json.loads((resources() / "schema" / "limits.schema.json").read_text())
    jsonschema.validate(measured, schema)
    assert [row["index"] for row in measured["classes"]] == [0]
    assert measured["classes"][0]["verified"] == 60
    assert measured["classes"][0]["canary"] == "features"
    assert measured["canaries"] == []
    further = ["limits", case, "--class", 0, "--verified", 60, "--runs", 1, "--canary", "gradients"]
    measured = document(command(*further, "--json"))
    jsonschema.validate(measured, schema)
    assert [row["canary"] for row in measured["classes"]] == ["features"]
    assert [row["canary"] for row in measured["canaries"]] == ["gradients"]
    told = command("limits", case)
    assert "only gradients moved" in told.stdout
    assert "cannot be significant at all" in told.stdout
    wrong = command("limits", case, "--class", "no such class")
    assert wrong.returncode == 2
    assert "no such class" in wrong.stderr
