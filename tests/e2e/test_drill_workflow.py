"""Known attacks planted in copies of a case's evidence, from the command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from inspector.case import Case
from inspector.engine.client import Investigation
from inspector.engine.client.drill import DrillPlan
from inspector.errors import Cancelled
from inspector.places import resources

Command = Callable[..., Any]

FEW = ("--images", "500", "--epochs", "2")


def _digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_drill_plants_in_copies_measures_and_is_kept(
    demo: Path, case: Path, command: Command, document: Command
) -> None:
    before = _digests(demo / "evidence")
    asked = ("drill", case, *FEW, "--class", 3, "--rate", 0.1, "--epochs", 6, "--json",
             "--audit", 30)  # fmt: skip
    done = command(*asked)
    measured = document(done)
    schema = json.loads((resources() / "schema" / "drill.schema.json").read_text())
    jsonschema.validate(measured, schema)
    (drill,) = measured["drills"]
    assert (drill["attack"], drill["target"], drill["planted"]) == ("patch", 3, 40)
    assert drill["left_out"] == [8]
    assert drill["budget"]["images"] == 400
    assert "about" in done.stderr
    assert drill["success"] > 0.5
    assert drill["accuracy"] > 0.8
    assert drill["auroc"] > 0.8
    assert drill["audit"]["verified"] + drill["audit"]["recognised"] == 30
    assert drill["settings"]["audit"] == 30
    assert drill["found"] == (drill["target_rank"] == 1 and drill["verdict"] in ("medium", "high"))
    assert _digests(demo / "evidence") == before
    assert not list((case / "derived" / "drills").iterdir())
    again = command(*asked)
    assert "already in the case" in again.stderr
    assert document(again) == measured
    with Case.open(case, read_only=True) as opened:
        entries = [entry for entry in opened.journal.entries() if entry.act == "drill"]
    assert len(entries) == 1
    assert entries[0].details["settings"]["rate"] == 0.1
    assert command("verify", case).returncode == 0


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_stopped_and_is_drawn(
    case: Path, command: Command, tmp_path: Path
) -> None:
    plot = tmp_path / "sweep.png"
    axes = ("--opacities", "0.1,1", "--rates", "0.05", *FEW, "--class", "3")
    first = command("drill", "sweep", case, "--sizes", "3", *axes, "--csv")
    assert first.returncode == 0, first.stderr
    rows = list(csv.DictReader(io.StringIO(first.stdout)))
    assert [(row["size"], row["opacity"]) for row in rows] == [("3", "0.1"), ("3", "1.0")]
    assert all(0 <= float(row["auroc"]) <= 1 for row in rows)
    more = command("drill", "sweep", case, "--sizes", "2,3", *axes, "--plot", plot)
    assert more.stderr.count("already in the case") == 2
    assert "AUROC" in more.stdout
    with Image.open(plot) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def test_a_cancelled_drill_leaves_nothing_but_a_journal_entry(case: Path) -> None:
    plans = [DrillPlan(target=3, images=500, epochs=50), DrillPlan(target=3, images=500, seed=1)]
    with Case.open(case) as opened:

        def stop(event: dict[str, Any]) -> None:
            if event["event"] == "progress" and event["stage"] == "Training":
                investigation.cancel()

        investigation = Investigation(opened, stop)
        try:
            with pytest.raises(Cancelled):
                investigation.drill(plans)
        finally:
            investigation.close()
        assert opened.kept("drill") == {}
        assert opened.journal.entries()[-1].act == "drill cancelled"
    assert not list((case / "derived" / "drills").iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate", "0.9"), "rate"),
        (("--opacity", "2"), "opacity"),
        (("--size", "40", *FEW), "does not fit"),
        (("--class", "no such class"), "no such class"),
    ],
)
def test_what_cannot_be_drilled_is_one_sentence(
    case: Path, command: Command, arguments: tuple[str, ...], said: str
) -> None:
    done = command("drill", case, *arguments)
    assert done.returncode == 2, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("inspector: ")]
    assert len(told) == 1
    assert said in told[0]


def test_a_sweep_says_what_it_cannot_read(case: Path, command: Command) -> None:
    wrong = command("drill", "sweep", case, "--sizes", "2;4")
    assert wrong.returncode == 2
    assert "no list of numbers" in wrong.stderr
    assert command("drill", "sweep").returncode == 2


def test_what_all_drills_would_take_is_said_without_any(
    case: Path, command: Command, document: Command
) -> None:
    sweep = ("drill", "sweep", case, *FEW, "--sizes", "2,3", "--rates", "0.05", "--opacities", "1")
    budget = document(command(*sweep, "--only-budget", "--json"))
    schema = json.loads((resources() / "schema" / "drill-budget.schema.json").read_text())
    jsonschema.validate(budget, schema)
    assert (budget["drills"], budget["kept"], budget["images"]) == (2, 0, 400)
    assert budget["seconds"] > 0
    said = command(*sweep, "--only-budget")
    assert said.returncode == 0
    assert "2 attacks are planted in copies of 400 pictures" in said.stdout
    with Case.open(case, read_only=True) as opened:
        assert opened.kept("drill") == {}
