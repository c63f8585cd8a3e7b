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
    _run("trigger", case, "--steps", 60, "--search")
    _run("trigger", case, "--steps", 40, "--method", "pixel", "--classes", "0,1")
    _run("map", case)
    again = json.loads(_run("rerun", case, "--json"))
    assert again["same"], [row for row in again["rows"] if not row["same"]]
    assert again["not_repeated"] == []
    names = {row["name"] for row in again["rows"]}
    with Case.open(case) as opened:
        pictures = {name for name in opened.arrays() if name.startswith("trigger:")}
        assert len(pictures) >= 6
        assert pictures | {"score:trigger-search", "map:umap", "finding trigger-search"} <= names
        # Another trigger in its place is found out.
        mask = next(name for name in sorted(pictures) if name.endswith(":mask"))
        from inspector.case.array_files import write_array

        forged = 1 - np.asarray(opened.array(mask))
        item = write_array(opened.derive("forged") / "mask.npy", forged, opened.derived)
        opened.set_array(mask, *item.values())
    assert f"{mask}" in _run("rerun", case, code=1)
