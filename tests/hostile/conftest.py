"""Hostile files are written and read once per group; the tests look at what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_recipes import RECIPES, Recipe

READER = Path(__file__).with_name("hostile_reading.py")


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Every path below a folder with mode, size and time of change."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            found[os.fsdecode(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


class Readings:
    """Writes the recipes of a group, reads them all in one process, keeps the answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._groups: dict[str, dict[str, dict[str, Any]]] = {}

    def of(self, group: str, recipe: Recipe) -> dict[str, Any]:
        if group not in self._groups:
            self._groups[group] = self._read(RECIPES[group], self.root / group.replace(" ", "-"))
        return self._groups[group][recipe.name]

    def _read(self, recipes: list[Recipe], root: Path) -> dict[str, dict[str, Any]]:
        for name in ("evidence", "markers", "scratch"):
            (root / name).mkdir(parents=True)
        tasks = []
        for recipe in recipes:
            place = root / "evidence" / recipe.name
            place.mkdir()
            path = recipe.write(place, root / "markers" / recipe.name)
            tasks.append(
                {"name": recipe.name, "kind": recipe.kind, "path": os.fsencode(path).hex()}
            )
        before = snapshot(root / "evidence")
        answers: dict[str, dict[str, Any]] = {}
        while len(answers) < len(tasks):
            left = [task for task in tasks if task["name"] not in answers]
            said = self._process(left, root / "scratch")
            answers |= said
            if len(said) < len(left):
                # It died over the first one that it did not answer.
                victim = left[len(said)]["name"]
                answers[victim] = {"outcome": "crashed", "says": "", "seconds": 0, "mebibytes": 0}
        after = snapshot(root / "evidence")
        made = {path.name for path in (root / "markers").iterdir()}
        for name, answer in answers.items():
            inside = str(root / "evidence" / name)
            answer["ran"] = name in made
            answer["changed"] = [
                path
                for path in before.keys() | after.keys()
                if path.startswith(inside) and before.get(path) != after.get(path)
            ]
            answer["stray"] = sorted(
                {path.name for path in root.iterdir()} - {"evidence", "markers", "scratch"}
            )
        return answers

    def _process(self, tasks: list[dict[str, str]], scratch: Path) -> dict[str, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-P", READER],
            input="".join(json.dumps(task) + "\n" for task in tasks),
            capture_output=True,
            text=True,
            cwd=scratch,
            env={
                **os.environ,
                "TMPDIR": str(scratch),
                "OMP_NUM_THREADS": "1",
                # Allowed by the environment, and to no avail.
                "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
                "PYTHONPATH": str(READER.parents[2]),
            },
            timeout=900,
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return {row.pop("name"): row for row in rows}


@pytest.fixture(scope="session")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Readings:
    """What became of every hostile file; a group is read when its first test asks."""
    return Readings(tmp_path_factory.mktemp("hostile"))
