"""An export that is killed between the names of its two folders is finished at the next opening.

The killed process is real: it exports, and kills itself at a known place.
"""

from __future__ import annotations

import json
import platform
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
from inspector.errors import CaseError
from inspector.export import leftovers
from inspector.export.atomic import Hidden
from inspector.intake.datasets import open_dataset
from inspector.places import user_state

N, DROPPED = 40, 10

_KILLED = """
    import os, signal, sys
    from pathlib import Path
    from inspector.case import Case, renaming, sealed_exports
    from inspector.engine.client import exporting
    from inspector.export import cleaned

    case, at = Case.open(sys.argv[1]), sys.argv[2]
    folder, aside = map(Path, sys.argv[3:])
    real, names = renaming.rename_without_replacing, []

    def rename(source, target):
        if (at == "before" and not names) or (at == "between" and names):
            os.kill(os.getpid(), signal.SIGKILL)
        names.append(target)
        real(source, target)

    def kill(*given):
        os.kill(os.getpid(), signal.SIGKILL)

    renaming.rename_without_replacing = rename
    if at == "after":
        exporting.record_named = kill
    if at == "recorded":
        sealed_exports.Note.drop = kill
    exporting.export_case(
        case, case.tags.mask("poison"), folder / "kept", tags=["poison"], quarantine=aside / "gone"
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


def _kill(place: Path, at: str, folder: Path | None = None, aside: Path | None = None) -> None:
    given = [str(place / "a.case"), at, str(folder or place), str(aside or folder or place)]
    words = [sys.executable, "-c", textwrap.dedent(_KILLED), *given]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _notes() -> Path:
    return user_state() / "exports"


def _sums(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _standing(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name in ("kept", "gone"))


def _acts(case: Case) -> list[str]:
    acts = ("exported", "quarantined", "export cut off")
    return [entry.act for entry in case.journal.entries() if entry.act in acts]


def _sizes(place: Path) -> list[int]:
    for name in ("kept", "gone"):
        check_sums(place / name)
    return [len(open_dataset(place / name / "data.npz")) for name in ("kept", "gone")]


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "in the case"])
@pytest.mark.parametrize(("at", "stood"), [("between", ["gone"]), ("after", ["gone", "kept"])])
def test_opening_finishes_what_was_killed(
    place: Path, at: str, stood: list[str], inside: bool
) -> None:
    folder = place / "a.case" / "exports" if inside else place
    _kill(place, at, folder)
    assert _standing(folder) == stood
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert str(folder / "kept") in said
        assert "it is finished now, and recorded" in said
        assert _acts(case) == ["exported", "quarantined"]
        entries = {entry.act: entry.details for entry in case.journal.entries()}
        assert entries["exported"]["kept"] == entries["quarantined"]["removed"] == N - DROPPED
        assert {export.place for export in case.exported()} == {folder / "kept", folder / "gone"}
        assert case.problems == []
        assert case.verify() == []
    assert _sizes(folder) == [N - DROPPED, DROPPED]
    assert not [path.name for path in folder.iterdir() if ".partial-" in path.name]
    with Case.open(place / "a.case") as case:
        assert case.recovered == []


def test_what_was_recorded_already_is_not_recorded_again(place: Path) -> None:
    _kill(place, "recorded")
    with Case.open(place / "a.case") as case:
        assert case.recovered == []
        assert _acts(case) == ["exported", "quarantined"]
    assert list(_notes().iterdir()) == []


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
        assert _acts(case) == ["export cut off"]
        assert case.verify() == []
        assert _standing(place) == []
        assert leftovers(place / "kept")
        _export_again(case, place)
    assert _sizes(place) == [N - DROPPED, DROPPED]


def _export_again(case: Case, place: Path, **more: Any) -> None:
    drop = case.tags.mask("poison")
    export_case(case, drop, place / "kept", tags=["poison"], quarantine=place / "gone", **more)


def _take_the_name(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "kept" / "mine.txt").write_text("mine")


def _delete_a_file(place: Path) -> None:
    (kept,) = leftovers(place / "kept")
    (kept / "content" / "kept.csv").unlink()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (_take_the_name, "something else lies under that name"),
        (_delete_a_file, "the part without its name was changed or deleted"),
    ],
)
def test_what_cannot_be_finished_stays_and_is_told(place: Path, harm: Any, why: str) -> None:
    _kill(place, "between")
    harm(place)
    before = _sums(place / "gone")
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert why in said
        both = f"{place / 'kept'} and {place / 'gone'} stay"
        stands = both if harm is _take_the_name else f"{place / 'gone'} stays"
        assert f"{stands} unchanged and unrecorded" in said
        assert _acts(case) == ["export cut off"]
        assert case.exported() == []
    assert _sums(place / "gone") == before
    if harm is _take_the_name:
        assert (place / "kept" / "mine.txt").read_text() == "mine"
        shutil.rmtree(place / "kept")
    shutil.rmtree(place / "gone")
    with Case.open(place / "a.case") as case:
        assert case.recovered == []
        _export_again(case, place)
    assert _sizes(place) == [N - DROPPED, DROPPED]


def test_what_was_changed_after_it_had_its_names_is_not_said_to_be_gone(place: Path) -> None:
    _kill(place, "after")
    (place / "kept" / "README").write_text("mine")
    (place / "gone" / "README").write_text("mine")
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert "what lies under its name is not what was written" in said
        assert f"{place / 'kept'} and {place / 'gone'} stay unchanged and unrecorded" in said
    assert _standing(place) == ["gone", "kept"]


def test_what_lies_in_the_case_waits_for_a_disk_that_is_away(place: Path) -> None:
    inside, disk = place / "a.case" / "exports", place / "disk"
    disk.mkdir()
    _kill(place, "between", inside, disk)
    aside = disk.rename(place / "unplugged")
    with Case.open(place / "a.case") as case:
        assert "its disk cannot be reached" in case.recovered[0]
    aside.rename(disk)
    with Case.open(place / "a.case") as case:
        assert "it is finished now" in case.recovered[0]
    assert [len(open_dataset(one / "data.npz")) for one in (inside / "kept", disk / "gone")] == [
        N - DROPPED,
        DROPPED,
    ]


def test_another_machine_with_the_same_home_leaves_it_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill(place, "between")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(platform, "node", lambda: "elsewhere")
        with Case.open(place / "a.case") as case:
            assert case.recovered == []
    with Case.open(place / "a.case") as case:
        assert "it is finished now" in case.recovered[0]


def test_a_name_that_is_taken_meanwhile_is_not_called_a_half_of_the_export(place: Path) -> None:
    with Case.open(place / "a.case") as case:

        def take(event: dict[str, Any]) -> None:
            (place / "gone").mkdir(exist_ok=True)

        with pytest.raises(CaseError, match="gone"):
            _export_again(case, place, on_event=take)
        assert case.verify() == []
    with Case.open(place / "a.case") as case:
        assert case.recovered == []


def test_a_disk_that_is_away_is_waited_for(place: Path) -> None:
    disk = place / "disk"
    disk.mkdir()
    _kill(place, "between", disk)
    aside = disk.rename(place / "unplugged")
    with Case.open(place / "a.case") as case:
        (said,) = case.recovered
        assert "its disk cannot be reached" in said
        assert _acts(case) == []
    aside.rename(disk)
    with Case.open(place / "a.case") as case:
        assert "it is finished now" in case.recovered[0]
    assert _sizes(disk) == [N - DROPPED, DROPPED]


@pytest.mark.parametrize("known", [False, True], ids=["its path", "its number"])
def test_a_received_case_finishes_nothing_of_another(place: Path, known: bool) -> None:
    """Neither a case that lies where the analyst's lay, nor a copy of that one elsewhere."""
    _kill(place, "between")
    kept = place / "a.case"
    aside = shutil.copytree(kept, place / "received" / "a.case")
    if not known:
        shutil.rmtree(kept)
        Case.create(kept).close()
    with Case.open(aside if known else kept) as case:
        assert case.recovered == []
        assert list(case.verify()) == []
    assert _standing(place) == ["gone"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"case": 1}', "null", "[" * 100_000])
def test_a_damaged_note_keeps_nobody_out(place: Path, text: str) -> None:
    _notes().mkdir(parents=True)
    (_notes() / "0.json").write_text(text)
    with Case.open(place / "a.case") as case:
        assert case.recovered == []


def test_an_export_needs_no_state_folder(place: Path) -> None:
    _notes().parent.mkdir(parents=True, exist_ok=True)
    _notes().write_text("a file is in the way")
    with Case.open(place / "a.case") as case:
        _export_again(case, place)
    assert _sizes(place) == [N - DROPPED, DROPPED]


def test_a_second_name_that_is_refused_leaves_no_first(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quarantine loses its name in one step: deleting it there could be cut off half-way."""
    real, removed = Hidden.appear, []

    def appear(hidden: Hidden) -> None:
        if hidden.target.name == "kept":
            raise KeyboardInterrupt
        real(hidden)

    def rmtree(path: Any, *more: Any, **words: Any) -> None:
        removed.append(Path(path).name)

    with Case.open(place / "a.case") as case, monkeypatch.context() as patched:
        patched.setattr(Hidden, "appear", appear)
        patched.setattr(shutil, "rmtree", rmtree)
        with pytest.raises(KeyboardInterrupt):
            _export_again(case, place)
    assert _standing(place) == []
    assert removed
    assert not {"kept", "gone"} & set(removed)
    assert list(_notes().glob("*.json")) == []


@pytest.mark.parametrize(
    "target", ["a" * 5000, "/proc/self/cwd/x", "a\0b", "\ud800", 5, ["a"], "/" + "a/" * 3000]
)
def test_a_forged_export_keeps_nobody_out(place: Path, target: Any) -> None:
    with Case.open(place / "a.case") as case:
        case.journal.append("exported", target=target, manifest_sha256="0" * 64)
    with Case.open(place / "a.case") as case:
        assert case.recovered == []
        assert case.verify() == []
