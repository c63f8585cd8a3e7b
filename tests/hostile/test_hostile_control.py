"""The payloads are live: a careless program that reads these very files does run them.

Without this the tests beside it could not fail.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hostile_archives
import hostile_arrays
import hostile_pickles
import pytest
from hostile_recipes import RECIPES, Recipe

GROUPS = (hostile_pickles.GROUP, hostile_archives.GROUP, *hostile_arrays.GROUPS)

# What people write who trust their files; each one gets all files of its kind.
CARELESS = {
    "pickle": "import pickle\nfor path in paths:\n    run(lambda: pickle.load(open(path, 'rb')))",
    "torch": "import torch\nfor path in paths:\n    run(lambda: torch.load(path, weights_only=False))",
    "torchscript": "import torch\nfor path in paths:\n    run(lambda: torch.jit.load(path))",
    "npz": "import numpy\nfor path in paths:\n"
    "    run(lambda: list(numpy.load(path, allow_pickle=True).values()))",
}
PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
paths = sys.argv[1:]
def run(load):
    try:
        load()
    except BaseException as error:
        print(type(error).__name__, error, file=sys.stderr)
"""


def live(way: str) -> list[Recipe]:
    return [recipe for group in GROUPS for recipe in RECIPES[group] if recipe.runs == way]


@pytest.mark.parametrize("way", CARELESS)
def test_payloads_run_where_files_are_trusted(tmp_path: Path, way: str) -> None:
    recipes = live(way)
    assert recipes
    paths = []
    for recipe in recipes:
        place = tmp_path / recipe.name
        place.mkdir()
        path = recipe.write(place, tmp_path / f"{recipe.name}.marker")
        if path.is_dir():
            path = path / "data_batch_1"
        paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + CARELESS[way], *paths],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    silent = [r.name for r in recipes if not (tmp_path / f"{r.name}.marker").exists()]
    assert not silent, done.stderr[-3000:]
