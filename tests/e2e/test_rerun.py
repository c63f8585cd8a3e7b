"""``inspector rerun`` after everything that a case can record: searches, carriers, a map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.torch import save_file

from inspector.case import Case
from inspector.cli import main
from inspector.testing import make_case

pytestmark = pytest.mark.slow


def _run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout


def test_searches_carriers_and_the_map_are_repeated(tmp_path: Path) -> None:
    planted, case = make_case(n=300), tmp_path / "a.case"
    save_file(dict(planted.network.state_dict()), tmp_path / "model.safetensors")
    np.savez(tmp_path / "data.npz", x=planted.images[..., 0], y=planted.labels)
    _run(
        *("scan", "--model", tmp_path / "model.safetensors", "--data", tmp_path / "data.npz"),
        *("--case", case),
    )
    _run("trigger", case, "--steps", 30, "--classes", "0,1,2", "--search")
    _run("trigger", case, "--steps", 20, "--classes", "0,1", "--method", "pixel")
    _run("map", case)
    again = json.loads(_run("rerun", case, "--json"))
    assert again["same"], [row for row in again["rows"] if not row["same"]]
    assert again["not_repeated"] == []
    names = {row["name"] for row in again["rows"]}
    with Case.open(case) as opened:
        pictures = {name for name in opened.arrays() if name.startswith("trigger:")}
        assert len(pictures) >= 9
    assert pictures | {"score:trigger-search", "map:umap", "finding trigger-search"} <= names
