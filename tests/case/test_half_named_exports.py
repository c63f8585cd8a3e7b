"""An export that is killed between the names of its two folders is finished at the next opening.

The killed process is real: it exports, and kills itself at a known place.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_makers import describe
from click.testing import CliRunner

from dataset_checks import check_sums
from inspector.case import Case
from inspector.cli import main
from inspector.engine.client.exporting import export_case
from inspector.export import leftovers
from inspector.intake.datasets import open_dataset

N, DROPPED = 40, 10

_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from inspector.case import Case, renaming, sealed_exports
    from inspector.engine.client import exporting
    from inspector.export import cleaned

    case, at = Case.open(sys.argv[1]), sys.argv[2]
    real, names = renaming.rename_without_replacing, []

    def rename(source, target):
        if at == "between" and names:
            os.kill(os.getpid(), signal.SIGKILL)
        names.append(target)
        real(source, target)

    def kill(*given):
        os.kill(os.getpid(), signal.SIGKILL)

    renaming.rename_without_replacing = rename
    if at == "after":
        exporting.note_named = kill
    if at == "before":
        cleaned.write_chunks = kill
    folder = Path(sys.argv[1]).parent
    exporting.export_case(
        case, case.tags.mask("poison"), folder / "kept", tags=["poison"], quarantine=folder / "gone"
    )
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a case in which some samples are tagged."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, x=rng.integers(0, 256, (N, 8, 8), dtype=np.uint8), y=np.arange(N) % 2)
    with Case.create(tmp_path / "a.case") as case:
        describe(case, N)
        case.add_evidence("data", data, open_dataset(data).digest(), data.stat().st_size)
        case.tags.apply(range(DROPPED), "poison")
    return tmp_path


def _kill(place: Path, at: str) -> None:
    words = [sys.executable, "-c", textwrap.dedent(_KILLED), str(place / "a.case"), at]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _standing(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name in ("kept", "gone"))


def _acts(case: Case) -> list[str]:
    acts = ("export sealed", "exported", "quarantined", "export undone")
    return [entry.act for entry in case.journal.entries() if entry.act in acts]


def _sizes(place: Path) -> list[int]:
    for name in ("kept", "gone"):
        check_sums(place / name)
    return [len(open_dataset(place / name / "data.npz")) for name in ("kept", "gone")]


@pytest.mark.parametrize(
    ("at", "stood"), [("between", ["gone"]), ("after", ["gone", "kept"])], ids=["between", "after"]
)
def test_opening_finishes_what_was_killed(place: Path, at: str, stood: list[str]) -> None:
    _kill(place, at)
    assert _standing(place) == stood
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert str(place / "kept") in said
        assert "it is finished now, and recorded" in said
        assert _acts(case) == ["export sealed", "exported", "quarantined"]
        entries = {entry.act: entry.details for entry in case.journal.entries()}
        assert entries["exported"]["kept"] == entries["quarantined"]["removed"] == N - DROPPED
        assert {export.place for export in case.exported()} == {place / "kept", place / "gone"}
        assert case.problems == []
        assert case.verify() == []
    assert _sizes(place) == [N - DROPPED, DROPPED]
    assert not [path.name for path in place.iterdir() if ".partial-" in path.name]
    with Case.open(place / "a.case") as case:
        assert case.recovered == []


def test_verify_tells_of_it_and_a_command_that_writes_finishes_it(place: Path) -> None:
    _kill(place, "between")
    checked = CliRunner().invoke(main, ["verify", str(place / "a.case"), "--json"])
    assert checked.exit_code == 1
    (line,) = [row for row in json.loads(checked.stdout)["differences"] if row["part"] == "export"]
    assert "was cut off while it got its name" in line["what"]
    assert _standing(place) == ["gone"]
    recorded = CliRunner().invoke(main, ["verify", str(place / "a.case"), "--record"])
    assert recorded.exit_code == 0, recorded.output
    assert "it is finished now, and recorded" in recorded.stderr
    assert _sizes(place) == [N - DROPPED, DROPPED]


def test_what_was_killed_before_its_first_name_is_a_leftover(place: Path) -> None:
    _kill(place, "before")
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert "Nothing of it is left under its names: export again." in said
        assert _acts(case) == ["export sealed", "export undone"]
        assert case.verify() == []
        assert _standing(place) == []
        assert leftovers(place / "kept")
        _export_again(case, place)
    assert _sizes(place) == [N - DROPPED, DROPPED]


def _export_again(case: Case, place: Path) -> None:
    drop = case.tags.mask("poison")
    export_case(case, drop, place / "kept", tags=["poison"], quarantine=place / "gone")


def _take_the_name(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "kept" / "mine.txt").write_text("mine")


def _delete_a_file(place: Path) -> None:
    (kept,) = leftovers(place / "kept")
    (kept / "content" / "kept.csv").unlink()


@pytest.mark.parametrize("harm", [_take_the_name, _delete_a_file])
def test_what_cannot_be_finished_is_taken_back(place: Path, harm: Any) -> None:
    _kill(place, "between")
    harm(place)
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert "was not finished: something else lies under that name" in said
        assert _acts(case) == ["export sealed", "export undone"]
        assert case.exported() == []
        assert not (place / "gone").exists()
        # Nothing is lost: it waits under its hidden name.
        (gone,) = leftovers(place / "gone")
        check_sums(gone / "content")
        if harm is _take_the_name:
            assert (place / "kept" / "mine.txt").read_text() == "mine"
            shutil.rmtree(place / "kept")
        _export_again(case, place)
    assert _sizes(place) == [N - DROPPED, DROPPED]


def test_a_disk_that_is_away_is_waited_for(place: Path) -> None:
    _kill(place, "between")
    elsewhere = place.with_name("elsewhere")
    shutil.copytree(place / "a.case", elsewhere / "a.case")
    aside = place.rename(place.with_name("unplugged"))
    with Case.open(elsewhere / "a.case") as case:
        (said,) = case.recovered
        assert "its disk cannot be reached" in said
        assert _acts(case) == ["export sealed"]
    aside.rename(place)
    with Case.open(elsewhere / "a.case") as case:
        assert "it is finished now" in case.recovered[0]
    assert _sizes(place) == [N - DROPPED, DROPPED]


def test_a_case_of_somebody_else_renames_nothing(place: Path) -> None:
    """Its journal names folders of the analyst's; our word does not lie beside them."""
    _kill(place, "between")
    (partial,) = leftovers(place / "kept")
    (partial / "sealed").write_text("0" * 64)
    before = sorted(path.relative_to(place) for path in place.rglob("*"))
    with Case.open(place / "a.case") as case:
        assert "gone stands alone" in case.recovered[0]
        assert case.exported() == []
    after = sorted(path.relative_to(place) for path in place.rglob("*"))
    assert [path for path in after if path.parts[0] != "a.case"] == [
        path for path in before if path.parts[0] != "a.case"
    ]


@pytest.mark.parametrize(
    "folders",
    [
        5,
        [5, {}, {"act": "exported"}],
        [{"act": "tag", "target": "/", "hidden": "/", "details": {}}],
        [{"act": "exported", "target": "/tmp/a\0b", "hidden": "/tmp/c", "details": {}}],
        [{"act": "exported", "target": "kept", "hidden": "x", "details": {"target": 1, "act": 2}}],
    ],
)
def test_a_forged_entry_without_sense_keeps_nobody_out(place: Path, folders: Any) -> None:
    with Case.open(place / "a.case") as case:
        case.journal.append("export sealed", folders=folders)
    with Case.open(place / "a.case") as case:
        assert len(case.recovered) == 1
        assert case.exported() == []
    assert "kept" not in os.listdir(place)
