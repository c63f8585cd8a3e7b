"""What a model file contains beside weights is recorded, printed and reported; nothing is run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import safetensors.torch
import torch

from inspector import places
from inspector.case import Case

Command = Callable[..., Any]


class Touch:
    """Unpickling an instance would create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_weights_beside_a_command_are_scanned_and_the_command_is_told(
    demo: Path, command: Command, document: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    marker, path = tmp_path / "MARKER", tmp_path / "victim.pt"
    weights = safetensors.torch.load_file(demo / "evidence" / "model.safetensors")
    weights["fc.bias" if "fc.bias" in weights else next(iter(weights))][0] += 0.0
    torch.save({"state_dict": weights, "run": Touch(marker)}, path)
    case = tmp_path / "victim.case"
    asked = ("scan", "--model", path, "--data", demo / "evidence" / "data", "--case", case)
    few = ("--limit", "200", "--detectors", "spectral", "--device", "cpu")
    done = command(*asked, *few)
    assert done.returncode == 0, done.stderr
    assert "Model file: Names functions that run commands: posix.system" in done.stdout
    assert "Nothing was run" in done.stdout
    parsed = document(command(*asked, *few, "--json"))
    schema = json.loads((places.resources() / "schema" / "scan.schema.json").read_text("utf-8"))
    jsonschema.validate(parsed, schema)
    contents = next(row for row in parsed["evidence"] if row["role"] == "model")["contents"]
    assert (contents["verdict"], contents["method"]) == ("commands", "inert")
    assert contents["names"][0]["name"] == "posix.system"
    assert contents["tensors"] == len(weights)
    with Case.open(case, read_only=True) as opened:
        assert any("posix.system" in text for text in opened.get("warnings"))
    assert not marker.exists()
