"""What a model file contains beside weights is recorded, printed and reported; nothing is run."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
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


def test_a_refused_file_stays_in_the_case_as_evidence_and_another_can_be_scanned(
    demo: Path, command: Command, document: Callable[[Any], dict[str, Any]], tmp_path: Path
) -> None:
    marker, case = tmp_path / "MARKER", tmp_path / "refused.case"
    hostile, exported = tmp_path / "<b>hostile<b>.pt", tmp_path / "program.pt2"
    torch.save({"epoch": 3, "run": Touch(marker)}, hostile)
    with zipfile.ZipFile(exported, "w") as archive:
        archive.writestr("program/archive_format", "pt2")
        archive.writestr("program/models/model.json", "{}")
    few = ("--limit", "200", "--detectors", "spectral", "--device", "cpu")
    for model, said in ((hostile, "names `posix.system`"), (exported, "CVE-2026-4538")):
        asked = ("scan", "--model", model, "--data", demo / "evidence" / "data", "--case", case)
        done = command(*asked, *few)
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())  # folded to the width of the terminal
        assert "Traceback" not in done.stderr
    assert not marker.exists()
    assert command("verify", case).returncode == 0
    with Case.open(case, read_only=True) as opened:
        assert opened.evidence() == []
        entries = [entry for entry in opened.journal.entries() if entry.act == "model refused"]
        kept = opened.kept("model refused")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (hostile, exported)]
    assert [entry.details["sha256"] for entry in entries] == list(kept) == digests
    assert entries[0].details["contents"] == "commands"
    named = kept[digests[0]]["contents"]["names"][0]
    assert (named["name"], named["verdict"]) == ("posix.system", "commands")
    named_there = hostile.read_bytes()[named["offset"] :]
    assert named_there.startswith((b"c", b"X", b"\x8c", b"\x93"))
    good = (
        "--model",
        demo / "evidence" / "model.safetensors",
        "--data",
        demo / "evidence" / "data",
    )
    assert command("scan", *good, "--case", case, *few).returncode == 0
    for ending in ("json", "html"):
        done = command("report", case, "--to", tmp_path / f"r.{ending}")
        assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    schema = json.loads((places.resources() / "schema" / "report.schema.json").read_text("utf-8"))
    jsonschema.validate(report, schema)
    refused = report["observed"]["model_file"]["refused"]
    assert [row["sha256"] for row in refused] == digests
    assert [row["container"] for row in refused] == ["torch-zip", "torch-export"]
    assert "CWE-502" in {row["id"] for row in report["assessed"]["techniques"]}
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Refused model files" in page
    assert "&lt;b&gt;hostile&lt;b&gt;.pt" in page
    assert digests[1] in page
