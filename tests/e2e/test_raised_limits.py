"""A limit that an analyst raises: journalled once, handed to every engine, told in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from PIL import Image
from safetensors.torch import save_file

from inspector import places
from inspector.case import Case
from inspector.cli import main
from inspector.engine.client.raised import raised_limits
from inspector.testing import make_case


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, one of which is a decompression bomb by size."""
    root = tmp_path_factory.mktemp("raised")
    planted = make_case(n=120)
    save_file(dict(planted.network.state_dict()), root / "model.safetensors")
    for row, (image, label) in enumerate(zip(planted.images, planted.labels, strict=True)):
        folder = root / "data" / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.squeeze(image)).save(folder / f"{row:05d}.png")
    Image.new("L", (9000, 8000)).save(root / "data" / "class0" / "large.png")
    return root


def _scan(evidence: Path, case: Path, *more: str) -> dict:
    command = ["scan", "--model", str(evidence / "model.safetensors"), "--json"]
    command += ["--data", str(evidence / "data"), "--case", str(case), *more]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    schema = json.loads((places.resources() / "schema" / "scan.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    return document


def _raised(case: Case) -> list[dict]:
    return [entry.details for entry in case.journal.entries() if entry.act == "limit raised"]


@pytest.mark.slow
def test_a_raised_limit_is_an_act_and_reads_what_was_refused(
    evidence: Path, tmp_path: Path
) -> None:
    place = tmp_path / "a.case"
    document = _scan(evidence, place)
    assert document["limits_raised"] == []
    (reason,) = [row["reason"] for row in document["dataset"]["unreadable"]]
    assert reason.endswith("more than the limit of 64,000,000 pixels (image-pixels)")
    for _ in range(2):
        document = _scan(evidence, place, "--raise-limit", "image-pixels=80M")
        assert document["dataset"]["unreadable"] == []
        (row,) = document["limits_raised"]
        assert (row["name"], row["value"], row["default"]) == (
            "image-pixels",
            80_000_000,
            64_000_000,
        )
    # A scan that says nothing of it keeps what the case says.
    assert _scan(evidence, place)["dataset"]["unreadable"] == []
    with Case.open(place) as case:
        (act,) = _raised(case)
        assert (act["before"], act["after"]) == (64_000_000, 80_000_000)
        assert case.verify() == []
    report = tmp_path / "report.json"
    done = CliRunner().invoke(main, ["report", str(place), "--to", str(report)])
    assert done.exit_code == 0, done.output
    assert json.loads(report.read_text())["methods"]["limits_raised"][0]["name"] == "image-pixels"
    page = tmp_path / "report.html"
    assert CliRunner().invoke(main, ["report", str(place), "--to", str(page)]).exit_code == 0
    assert "was raised from 64,000,000 to 80,000,000" in page.read_text()
    # The export reads the large image again: in an engine with the same limits.
    for command in (
        ["tag", str(place), "--from-ranking", "combined", "--top", "3", "--tag", "poison"],
        ["export", str(place), "--to", str(tmp_path / "out")],
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output


def test_words_that_are_no_limit_are_refused_before_anything_is_made(
    evidence: Path, tmp_path: Path
) -> None:
    command = ["scan", "--model", str(evidence / "model.safetensors")]
    command += ["--data", str(evidence / "data"), "--case", str(tmp_path / "b.case")]
    done = CliRunner().invoke(main, [*command, "--raise-limit", "image-pixels=1"])
    assert done.exit_code == 2
    assert "It can be raised from 64,000,000 pixels" in done.output
    assert not (tmp_path / "b.case").exists()
    listed = CliRunner().invoke(main, ["scan", "--raise-limit", "list"])
    assert listed.exit_code == 0
    assert "engine-memory" in listed.output


def test_what_a_received_case_claims_is_bounded(tmp_path: Path) -> None:
    with Case.create(tmp_path / "c.case") as case:
        case.keep("limit raised", "image-pixels", {"value": 10**17, "default": 1, "about": "x"})
        case.keep("limit raised", "nonsense", {"value": 10**17})
        case.keep("limit raised", "model-bytes", "no table")
        assert raised_limits(case) == {"image-pixels": 4_000_000_000}
