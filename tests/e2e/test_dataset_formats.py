"""One small poisoned set in several formats: scanned in the sandbox, tagged, exported, reopened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from dataset_checks import check_sums, state_of
from dataset_makers import (
    image_table,
    samples,
    write_idx,
    write_manifest,
    write_pictures,
    write_shards,
)
from inspector.cli import main
from inspector.intake.datasets import open_dataset

N = 48


def _model(path: Path, channels: int = 3) -> Path:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 3),
    )
    torch.save(network.state_dict(), path)
    return path


def _data(root: Path, form: str) -> Path:
    images, labels = samples(N, side=8, channels=3)
    root.mkdir()
    if form == "manifest":
        paths = write_pictures(root, images)
        rows = [{"path": p, "label": int(v)} for p, v in zip(paths, labels)]
        return write_manifest(root, rows, "labels.csv")
    if form == "idx":
        write_idx(root, images[..., 0], labels)
        return root / "train-images-idx3-ubyte"
    if form == "shards":
        write_shards(root, images, labels, 3)
        return root / "train-{0000..0002}.tar"
    for split, rows in (("train", range(40)), ("test", range(40, N))):
        part = image_table(images, labels).take(pa.array(list(rows)))
        pq.write_table(part, root / f"{split}-00000-of-00001.parquet")
    return root


def _run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize("form", ["manifest", "shards", "parquet", "idx"])
def test_scan_tag_and_export(tmp_path: Path, form: str) -> None:
    data, model = (
        _data(tmp_path / "data", form),
        _model(tmp_path / "m.pt", 1 if form == "idx" else 3),
    )
    before = state_of(tmp_path / "data")
    split = ["--split", "test"] if form == "parquet" else []
    asked = ["scan", "--model", model, "--data", data, *split, "--case", tmp_path / "c.case"]
    document = json.loads(_run(*asked, "--device", "cpu", "--json"))
    count = 8 if form == "parquet" else N
    assert document["dataset"]["assessed"] == count
    assert document["dataset"]["unreadable"] == []
    ranking = json.loads(_run("ranking", tmp_path / "c.case", "--json"))["samples"]
    dataset = open_dataset(data, split="test" if split else None)
    for row in ranking[:5]:
        assert row["sha256"] == dataset.stored_sha256()[row["index"]].tobytes().hex()
        pixels = np.asarray(dataset.decode(row["index"]))
        assert len(row["pixel_sha256"]) == 64
        assert pixels.shape == (8, 8, 1 if form == "idx" else 3)
    (tmp_path / "ids").write_text(f"{ranking[0]['index']}\n")
    _run("tag", tmp_path / "c.case", "--tag", "poison", "--ids", tmp_path / "ids")
    _run("export", tmp_path / "c.case", "--drop", "poison", "--to", tmp_path / "out")
    check_sums(tmp_path / "out")
    name = data.name if form in ("shards", "idx") else ""
    written = open_dataset(tmp_path / "out" / name, split="test" if split else None)
    assert len(written) == count - 1
    assert state_of(tmp_path / "data") == before


def test_a_set_of_which_nothing_can_be_read_ends_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    for row in range(3):
        (tmp_path / "data" / "a" / f"{row}.png").write_text("no picture")
    case = tmp_path / "c.case"
    result = CliRunner().invoke(
        main,
        [
            "scan",
            "--model",
            str(_model(tmp_path / "m.pt")),
            "--data",
            str(tmp_path / "data"),
            "--case",
            str(case),
        ],
    )
    assert result.exit_code == 2
    assert "None of 3 randomly chosen images can be read" in result.stderr
    assert "not an image of a known format" in result.stderr
