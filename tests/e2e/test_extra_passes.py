"""Detectors that run pictures through the model again: by name only, on top of the default set."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inspector.case import Case
from inspector.case.sample_maps import sample_maps

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


def test_the_pixels_that_keep_an_answer_are_kept_for_the_top_of_the_ranking(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    evidence = demo / "evidence"
    scan = ("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data")
    ran = command(*scan, "--case", case, "--detectors", "+cognitive-distillation", "--json")
    assert "300 further passes over 200 of 1,500 samples" in ran.stderr
    assert document(ran)["verdict"] == "medium"
    with (demo / "truth.csv").open(encoding="utf-8") as file:
        planted = {row["uri"] for row in csv.DictReader(file) if row["poisoned"] == "1"}
    with Case.open(case) as opened:
        (found,) = sample_maps(opened)
        poison = np.array([opened.locator(int(row)) in planted for row in found.rows])
    assert len(found.rows) == 200
    assert poison.sum() == 45
    corner = found.maps[:, -5:, -5:].mean(axis=(1, 2)) / found.maps.mean(axis=(1, 2))
    assert np.median(corner[poison]) > 2 * np.median(corner[~poison])


def test_gradients_of_convolutions_are_taken_by_option_and_scored_in_the_ranking(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    evidence = demo / "evidence"
    scan = ("scan", "--model", evidence / "model.safetensors", "--data", evidence / "data")
    found = document(command(*scan, "--case", case, "--conv-gradients", "512", "--json"))
    by_id = {finding["id"]: finding for finding in found["findings"]}
    assert by_id["spectral-conv-gradient"]["status"] == "done"
    highest = max(by_id["spectral-conv-gradient"]["classes"], key=lambda row: row["statistic"])
    assert highest["index"] == 8
    with Case.open(case) as opened:
        rows = opened.array("conv_gradients")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    refused = command(*scan, "--case", case, "--conv-gradients", "9")
    assert refused.returncode == 2
    assert "Give 0 for none, or 256 to 4096" in refused.stderr
