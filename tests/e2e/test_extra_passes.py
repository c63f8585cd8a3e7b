"""Detectors that run pictures through the model again: by name only, on top of the default set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]


def test_a_detector_with_extra_passes_is_added_by_name(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    evidence = demo / "evidence"
    scan = ("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data")
    found = document(command(*scan, "--case", case, "--detectors", "+scale-up", "--json"))
    by_id = {finding["id"]: finding for finding in found["findings"]}
    assert by_id["scale-up"]["status"] == "done"
    assert by_id["spectral-whitened"]["status"] == "done"
    samples = document(command("ranking", case, "--json"))["samples"]
    assert all(sample["scores"]["scale-up"] is not None for sample in samples)
    usual = document(command("scan", *scan[1:], "--case", case, "--json"))
    assert usual["classes"] == found["classes"]
