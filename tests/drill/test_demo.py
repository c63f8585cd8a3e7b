"""The demonstration's evidence is what it says: real digits, 3 % planted, a network that knows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inspector.api import Control
from inspector.drill import DemoTruth, digits, write_demo_evidence
from inspector.errors import Cancelled


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> DemoTruth:
    return write_demo_evidence(tmp_path_factory.mktemp("evidence"), seed=0)


def test_the_network_works_and_so_does_the_attack(truth: DemoTruth) -> None:
    assert truth.accuracy >= 0.95
    assert truth.success >= 0.95
    assert truth.planted == round(0.03 * truth.samples)


def test_the_evidence_is_ordinary_and_the_truth_lies_beside_it(truth: DemoTruth) -> None:
    assert sorted(path.name for path in truth.data.iterdir()) == [str(i) for i in range(10)]
    with truth.truth.open(newline="") as file:
        rows = list(csv.DictReader(file))
    files = {path.relative_to(truth.data).as_posix() for path in truth.data.rglob("*.png")}
    assert {row["uri"] for row in rows} == files
    planted = [row for row in rows if row["poisoned"] == "1"]
    assert len(planted) == truth.planted
    assert all(row["label"] == str(truth.target) != row["true_label"] for row in planted)
    assert not list(truth.model.parent.rglob("*truth*"))


def test_the_patch_is_in_the_planted_pictures_alone(truth: DemoTruth) -> None:
    with truth.truth.open(newline="") as file:
        for row in csv.DictReader(file):
            pixels = np.asarray(Image.open(truth.data / row["uri"]))
            corner = pixels[-5:-1, -5:-1]
            assert (corner == 255).all() == (row["poisoned"] == "1")


def test_the_digits_are_the_real_ones() -> None:
    images, labels = digits()
    assert images.shape == (1797, 24, 24)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_making_it_can_be_cancelled(tmp_path: Path) -> None:
    class Stop(Control):
        def check(self) -> None:
            raise Cancelled()

    with pytest.raises(Cancelled):
        write_demo_evidence(tmp_path, control=Stop())
    assert not (tmp_path / "evidence").exists()
