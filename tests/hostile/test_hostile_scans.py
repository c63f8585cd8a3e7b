"""A few hostile files through the real command: exit codes, one line, an unharmed case."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import hostile_archives
import hostile_folders
import hostile_images
import hostile_pickles
import numpy as np
import pytest
import torch
from hostile_recipes import RECIPES, Recipe


def named(group: str, *names: str) -> list[Recipe]:
    found = [recipe for recipe in RECIPES[group] if recipe.name in names]
    assert len(found) == len(names)
    return found


MODELS = [
    *named(hostile_pickles.GROUP, "zip-exec", "laughs"),
    *named(hostile_archives.GROUP, "torch-export"),
]
DATA = [
    *named(hostile_images.GROUP, "eps-named-jpg"),
    *named(hostile_folders.GROUP, "class-rich-text"),
]


def scan(model: Path, data: Path, case: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inspector", "scan", "--model", str(model), "--data", str(data)]
        + ["--case", str(case), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and data that belong together."""
    folder = tmp_path_factory.mktemp("honest")
    torch.manual_seed(0)
    weights = {"fc.weight": torch.randn(3, 192), "fc.bias": torch.zeros(3)}
    torch.save(weights, folder / "honest.pt")
    images = np.random.default_rng(0).integers(0, 255, (30, 8, 8, 3), np.uint8)
    np.savez(folder / "data.npz", x=images, y=np.arange(30) % 3)
    return folder / "honest.pt", folder / "data.npz"


@pytest.mark.parametrize("recipe", MODELS, ids=lambda recipe: recipe.name)
def test_model(recipe: Recipe, honest: tuple[Path, Path], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "evidence").mkdir()
    model = recipe.write(tmp_path / "evidence", marker)
    done = scan(model, honest[1], tmp_path / "a.case")
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("inspector: ")]
    assert len(lines) == 1, done.stderr
    assert model.name in lines[0]
    assert "Traceback" not in done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("recipe", DATA, ids=lambda recipe: recipe.name)
def test_data(recipe: Recipe, honest: tuple[Path, Path], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "evidence").mkdir()
    data = recipe.write(tmp_path / "evidence", marker)
    done = scan(honest[0], data, tmp_path / "a.case")
    assert done.returncode == 0, done.stderr
    unreadable = json.loads(done.stdout)["dataset"]["unreadable"]
    assert len(unreadable) == (1 if recipe.outcome == "row" else 0)
    assert not marker.exists()
