"""Exports are filled by an engine of their own, and the app trusts nothing of what it left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_makers import describe

from dataset_checks import check_sums, rows_of, state_of
from dataset_makers import samples, write_folder
from inspector.case import Case
from inspector.engine.client.exporting import export_case
from inspector.engine.client.process import Engine
from inspector.errors import BadInput, Cancelled, CaseError, EngineStopped
from inspector.export import ExportTask, Filled, write_set
from inspector.export.dataset.filling import fill
from inspector.export.dataset.plan import plan_export
from inspector.intake.datasets import open_dataset

N = 24


@pytest.fixture
def source(tmp_path: Path) -> Path:
    images, labels = samples(n=N)
    return write_folder(tmp_path / "evidence", images, labels)


@pytest.fixture
def case(tmp_path: Path, source: Path):
    with Case.create(tmp_path / "a.case") as made:
        describe(made, N)
        made.add_evidence("data", source, open_dataset(source).digest(), 1)
        made.tags.apply([3, 4], "poison")
        yield made


def _export(case: Case, target: Path, **more: Any) -> Any:
    return export_case(case, case.tags.mask("poison"), target, tags=["poison"], **more)


def test_a_case_is_exported_by_a_confined_engine(case: Case, source: Path, tmp_path: Path) -> None:
    before, events = state_of(source), []
    result = _export(case, tmp_path / "out", quarantine=tmp_path / "bad", on_event=events.append)
    assert (result.kept, result.removed) == (N - 2, 2)
    assert result.quarantine is not None
    assert result.quarantine.kept == 2
    for name in ("out", "bad"):
        check_sums(tmp_path / name)
    assert [row["tags"] for row in rows_of(tmp_path / "out" / "removed.csv")] == ["poison"] * 2
    assert sorted(os.listdir(tmp_path)) == ["a.case", "bad", "evidence", "out"]
    assert state_of(source) == before
    (acted,) = [entry for entry in case.journal.entries() if entry.act == "exported"]
    assert "rlimits" in acted.details["sandbox"]
    # Copies are as old as their originals, though the engine may not set times.
    copied = next(path for path in (tmp_path / "out").rglob("*.png"))
    original = source / copied.relative_to(tmp_path / "out")
    assert copied.stat().st_mtime_ns == original.stat().st_mtime_ns
    stages = {event["stage"] for event in events if event["event"] == "progress"}
    assert stages <= {"Export: hash", "Export: export", "Export: verify"}


def test_the_app_opens_no_evidence(tmp_path: Path, source: Path) -> None:
    """From the scan to the export: whatever a file of the evidence is, only engines read it."""
    from safetensors.torch import save_file

    from inspector.testing import make_case

    planted = make_case(n=300)
    model = tmp_path / "evidence" / "model.safetensors"
    save_file(dict(planted.network.state_dict()), model)
    data = tmp_path / "evidence" / "data.npz"
    np.savez(data, x=planted.images[..., 0], y=planted.labels)
    code = """
        import os, sys
        root, folder = sys.argv[1:]
        opened = []
        def hook(event, arguments):
            if event == "open" and isinstance(arguments[0], (str, bytes)):
                path = os.path.realpath(os.fsdecode(arguments[0]))
                if path.startswith(root + os.sep):
                    opened.append(path)
        sys.addaudithook(hook)
        from inspector.cli import main
        def call(*words):
            try:
                main([*words], standalone_mode=False)
            except SystemExit as end:
                assert not end.code, end.code
        case = folder + "/b.case"
        call("scan", "--model", root + "/model.safetensors", "--data", root + "/data.npz",
             "--case", case)
        call("tag", case, "--from-ranking", "combined", "--top", "5", "--tag", "poison")
        call("export", case, "--to", folder + "/out", "--quarantine", folder + "/bad")
        call("export", case, "--to", folder + "/lists", "--list-only")
        call("verify", case)
        print(*opened, sep="\\n")
        assert "torch" not in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "evidence"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.splitlines()
    assert not [line for line in said if line.startswith(str(tmp_path / "evidence"))]
    assert len(open_dataset(tmp_path / "out" / "data.npz")) == 295


def test_an_engine_that_dies_leaves_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, left = Engine.submit, []

    def die_halfway(engine: Engine, job: str, **arguments: Any) -> int:
        # Held first: a kill at its first sign of progress comes too late on a busy machine.
        engine.wait_ready()
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        number = submit(engine, job, **arguments)
        half = engine.derived / arguments["folder"] / "half.png"
        half.write_bytes(b"half a picture")
        left.append(half)
        os.kill(engine.pid, signal.SIGKILL)
        return number

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "submit", die_halfway)
        with pytest.raises(EngineStopped, match=r"stopped \(signal 9.*Nothing was exported"):
            _export(case, tmp_path / "out")
    assert len(left) == 1
    assert not left[0].exists()
    assert sorted(os.listdir(tmp_path)) == ["a.case", "evidence"]
    _export(case, tmp_path / "out")
    check_sums(tmp_path / "out")


def test_a_cancel_leaves_nothing(case: Case, tmp_path: Path) -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        _export(case, tmp_path / "out", check=cancel)
    assert sorted(os.listdir(tmp_path)) == ["a.case", "evidence"]
    assert not [entry for entry in case.journal.entries() if entry.act == "exported"]


def test_other_data_than_was_scanned_is_not_exported(
    case: Case, source: Path, tmp_path: Path
) -> None:
    next(source.rglob("*.png")).write_bytes(b"other")
    with pytest.raises(BadInput, match="not what was scanned"):
        _export(case, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["a.case", "evidence"]


def _link_inside(folder: Path, outside: Path) -> None:
    os.symlink(outside / "secret", folder / "class0" / "99999.png")


def _second_name(folder: Path, outside: Path) -> None:
    os.link(outside / "secret", folder / "class0" / "99999.png")


def _pipe(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / "class0" / "99999.png")


def _folder_elsewhere(folder: Path, outside: Path) -> None:
    folder.rename(folder.with_name("aside"))
    os.symlink(outside, folder)


def _manifest_elsewhere(folder: Path, outside: Path) -> None:
    os.symlink(outside / "new", folder / "manifest.sha256")


def _list_of_others(folder: Path, outside: Path) -> None:
    text = (folder / "kept.csv").read_text()
    (folder / "kept.csv").write_text(text.replace("\n1,", "\n3,", 1))


def _no_list(folder: Path, outside: Path) -> None:
    (folder / "removed.csv").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    "attack",
    [
        _link_inside,
        _second_name,
        _pipe,
        _folder_elsewhere,
        _manifest_elsewhere,
        _list_of_others,
        _no_list,
    ],
)
def test_what_a_taken_over_engine_leaves_is_not_trusted(
    source: Path, tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("not yours")
    before = state_of(outside)
    drop = np.arange(N) < 1

    def filled(folder: Path, role: str, final: Path) -> Filled:
        account = fill(plan_export(open_dataset(source), drop), folder, target=final)
        attack(folder, outside)
        return account

    with pytest.raises(CaseError):
        write_set(ExportTask([source], drop, tmp_path / "out"), filled)
    assert sorted(os.listdir(tmp_path)) == ["evidence", "outside"]
    if attack is not _second_name:  # the attack itself changed the number of names
        assert state_of(outside) == before
    assert (outside / "secret").read_text() == "not yours"


def test_a_wrong_count_is_refused(source: Path, tmp_path: Path) -> None:
    drop = np.arange(N) < 1

    def filled(folder: Path, role: str, final: Path) -> Filled:
        return fill(plan_export(open_dataset(source), np.arange(N) < 2), folder, target=final)

    with pytest.raises(CaseError, match="other samples than were asked for"):
        write_set(ExportTask([source], drop, tmp_path / "out"), filled)
    assert sorted(os.listdir(tmp_path)) == ["evidence"]
