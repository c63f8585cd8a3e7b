"""Fail the n-th write, flush or rename, for n = 1, 2, 3 … until an act goes through.

A small library loaded before libc counts the calls that go below the case, SQLite's among them, and
lets one of them, or all from there on, end with "disk full", "I/O error" or "permission denied".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_makers import describe, store

from inspector.case import Case
from inspector.intake.datasets import open_dataset

SOURCE = Path(__file__).with_name("failing_disk.c")

_HEAD = """
    import ctypes, errno, json, os, sys
    from pathlib import Path
    import numpy as np
    from inspector.case import Case
    from inspector.errors import CaseError, InspectorError
    disk = ctypes.CDLL(None)
    folder, said = Path(sys.argv[1]), []
    ways = [(code, onwards) for code in (errno.ENOSPC, errno.EIO, errno.EACCES)
            for onwards in (0, 1)]
"""

_TAGGING = """
    with Case.open(folder) as case:
        for way, (code, onwards) in enumerate(ways):
            n = 0
            while True:
                n += 1
                before = case.tags.counts(), case.journal.head, case.tags.can_redo
                disk.fail_at(n, code, onwards)
                try:
                    with case.transaction():
                        case.tags.apply(range(100 * way, 100 * way + 60), "poison")
                        case.notes.add(f"way {way}", [way])
                    disk.fail_at(0, 0, 0)
                    break
                except CaseError as error:
                    disk.fail_at(0, 0, 0)
                    assert "nothing was lost" in str(error), error
                    now = case.tags.counts(), case.journal.head, case.tags.can_redo
                    assert now == before, (n, code, onwards)
                    assert case.verify() == [], (n, code, onwards)
            said.append(n - 1)
    print(json.dumps(said))
"""

_OPENING = """
    from inspector.case.array_files import write_array
    for way, (code, onwards) in enumerate(ways):
        n, failed = 0, 0
        while True:
            n += 1
            disk.fail_at(n, code, onwards)
            try:
                with Case.open(folder) as case:
                    array = np.full(50, n, np.float32)
                    path = case.derive("made") / f"{way}-{n}.npy"
                    item = write_array(path, array, case.derived)
                    case.set_array(f"made:{way}", *item.values())
                    case.tags.apply([way], "clean")
                    used = disk.calls()
                    disk.fail_at(0, 0, 0)
            except CaseError as error:
                failed += 1
            finally:
                disk.fail_at(0, 0, 0)
            with Case.open(folder) as case:
                assert case.verify() == [], (n, code, onwards)
                assert not list(case.derived.rglob(".*.partial"))
                done = case.tags.of(way) == ["clean"]
            if done and used < n:
                break
        said.append(failed)
    print(json.dumps(said))
"""

_EXPORTING = """
    from inspector.engine.client.exporting import export_case
    with Case.open(folder) as case:
        drop = case.tags.mask("poison")
        for way, (code, onwards) in enumerate(ways):
            n, target = 0, folder.parent / "exports" / f"cleaned {way}"
            target.parent.mkdir(exist_ok=True)
            while True:
                n += 1
                disk.fail_at(n, code, onwards)
                try:
                    export_case(case, drop, target, tags=["poison"])
                    disk.fail_at(0, 0, 0)
                    break
                except InspectorError as error:
                    disk.fail_at(0, 0, 0)
                    assert not target.exists(), (n, code, onwards)
                    assert not any(e.place == target for e in case.exported())
            said.append(n - 1)
        assert case.verify() == []
    print(json.dumps(said))
"""

_SCANNING = """
    import hashlib
    from inspector.case.array_files import write_array
    from inspector.engine.client import ScanOptions, scan as steps
    model, data = folder.parent / "model.pt", folder.parent / "data.npz"
    options = ScanOptions(model=model, data=data)

    def engine(case):
        # What the engine answers for six samples; its files go to the same disk.
        def arrays(**values):
            return [{"name": name.replace("__", ":"), **write_array(
                case.derive("engine") / f"{name}.npy", value, case.derived)}
                for name, value in values.items()]

        def run(job, **arguments):
            ones = np.ones(6, np.float32)
            if job == "intake":
                spec = {"name": "small", "sha256": "ab" * 32}
                return {
                    "evidence": [
                        {"role": "model", "path": str(model), "sha256": "ab" * 32, "size": 1},
                        {"role": "data", "path": str(data), "sha256": "cd" * 32, "size": 1},
                    ],
                    "model": {"spec": spec, "sha256": "ab" * 32, "architecture": "small",
                              "num_classes": 2, "family": "builtin", "accuracy": 0.9,
                              "accuracy_sample": 6, "candidates": [], "tried": [],
                              "model_spec": {"model": {"name": "small"}}},
                    "dataset": {"format": "npz", "count": 6, "class_names": ["a", "b"],
                                "digest": "cd" * 32, "notes": []},
                    "arrays": arrays(labels=np.arange(6, dtype=np.int32) % 2),
                }
            if job == "signals":
                return {"arrays": arrays(activations=np.ones((6, 3), np.float32), loss=ones,
                                         assessed=np.ones(6, bool)),
                        "unreadable": [[3, "truncated"]], "device": "cpu", "layer": "fc",
                        "layers": ["fc"], "turned": 0, "seconds": 0.1}
            if job == "detect":
                return {"arrays": arrays(combined=ones, p_value=ones, score__spectral=ones),
                        "findings": {"spectral": {"verdict": "low", "version": "1",
                                                  "score_array": "score:spectral"}},
                        "classes": [], "verdict": "low", "caveats": [], "calibrated": False,
                        "columns": [], "kept": [], "order": ["spectral"]}
            if job == "pca":
                return {"arrays": arrays(map__pca=np.ones((6, 2), np.float32))}
            return {"python": "3", "packages": {"torch": "2"}}

        return run

    for way, (code, onwards) in enumerate(ways):
        place, n = folder / f"{way}.case", 0
        Case.create(place).close()
        while True:
            n += 1
            with Case.open(place) as case:
                disk.fail_at(n, code, onwards)
                try:
                    steps.scan(case, engine(case), options, lambda event: None, "cpu")
                    used, error = disk.calls(), None
                except InspectorError as refused:
                    error = refused
                disk.fail_at(0, 0, 0)
                assert case.verify() == [], (n, code, onwards)
            if error is None and used < n:
                break
        with Case.open(place) as case:
            assert case.get("outcome")["verdict"] == "low"
            assert case.unreadable() == {3: "truncated"}
            assert set(case.arrays()) >= {"labels", "loss", "score:spectral", "map:pca"}
            assert set(case.kept("run")) == {"signals", "detect"}
            assert case.findings()["spectral"]["result"] == case.arrays()["score:spectral"].sha256
            assert not list(case.derived.rglob(".*.partial"))
        said.append(n - 1)
    print(json.dumps(said))
"""

_WINDOW = """
    from PySide6.QtWidgets import QApplication
    from inspector.gui.notices import Notices
    from inspector.gui.workspace import Workspace
    application = QApplication(["inspector", "-platform", "offscreen"])
    space = Workspace()
    notices = Notices(space)
    assert space.open_case(folder)
    for way, (code, onwards) in enumerate(ways):
        n = 0
        while True:
            n += 1
            rows = np.arange(100 * way + n, 100 * way + n + 5)
            disk.fail_at(n, code, onwards)
            saved = space.tag_rows(rows, "suspect")
            disk.fail_at(0, 0, 0)
            if saved:
                break
            # Kept, said, and offered again; then it is in the case.
            assert space.unsaved == 1
            assert not notices.unsaved.isHidden()
            assert notices.unsaved.buttons[0].text() == "Try again"
            notices.unsaved.buttons[0].click()
            assert space.unsaved == 0
            assert notices.unsaved.isHidden()
            assert all(space.case.tags.of(int(row)) == ["suspect"] for row in rows)
            assert (space.tag_code[rows] >= 0).all()
        said.append(n - 1)
    assert space.case.verify() == []
    space.close_case()
    print(json.dumps(said))
"""


_ENGINE = """
    import threading
    from inspector.engine.jobs import JOBS
    from inspector.engine.protocol import encode
    from inspector.engine.runner import Runner
    from inspector.engine.session import Session
    from inspector.signals.store import Column, Progress, SignalStore
    from inspector.triggers.kept import keep_result, kept_result
    from inspector.triggers.result import TriggerResult

    values = np.arange(90, dtype=np.float32).reshape(30, 3) % 7

    def passing(session, control, *, folder):
        # One pass over the samples, ten at a time, as the signals are written.
        rows = np.arange(30, dtype=np.int64)
        place, column = session.folder(folder), Column(np.dtype(np.float32), (3,))
        with SignalStore(place, {"activations": column}, 30, {}, Progress(10, 10)) as store:
            try:
                while (start := store.progress.done) < 30:
                    some = rows[start:start + 10]
                    store.write(some, {"activations": values[some]})
                    store.mark(start + 10, 1.0)
            except OSError as error:
                raise store.refused(error) from None
        return {}

    def searching(session, control, *, folder):
        place = session.folder(folder)
        mask, pattern = np.ones((4, 4), np.float32), np.full((4, 4, 3), 9, np.uint8)
        for label in range(2):
            if kept_result(place, label, "made") is None:
                keep_result(place, TriggerResult(label, "made", "done", mask, pattern))
        assert all((kept_result(place, label, "made").pattern == 9).all() for label in range(2))
        return {}

    def running_over(session, control, *, folder):
        # A job that does not look at what the disk says.
        with (session.folder(folder) / "left").open("wb") as file:
            file.write(b"x")
        return {}

    jobs = {"pass": passing, "map": JOBS["pca"], "search": searching, "drill": running_over}
    derived = folder
    session = Session(derived)
    (derived / "made").mkdir()
    np.save(derived / "made" / "activations.npy", values)
    np.save(derived / "made" / "assessed.npy", np.ones(30, bool))
    arrays = {name: f"made/{name}.npy" for name in ("activations", "assessed")}
    down, commands = os.pipe()
    events, up = os.pipe()
    runner = Runner(jobs, session, os.fdopen(down, "rb"), os.fdopen(up, "wb"))
    threading.Thread(target=runner.listen, daemon=True).start()
    commands, events = os.fdopen(commands, "wb"), os.fdopen(events, "rb")
    number = 0

    def ask(job, **arguments):
        global number
        number += 1
        commands.write(encode({"do": "run", "id": number, "job": job, "with": arguments}))
        commands.flush()
        while (event := json.loads(events.readline()))["event"] not in ("done", "failed"):
            pass
        return event

    for job, more in (("pass", {}), ("map", {"arrays": arrays}), ("search", {}), ("drill", {})):
        for way, (code, onwards) in enumerate(ways):
            if job == "drill" and code == errno.EACCES:
                continue  # Not the disk's word alone: told as what nobody expected.
            n = 0
            while True:
                n += 1
                disk.fail_at(n, code, onwards)
                event = ask(job, folder=f"{job}-{way}", **more)
                used = disk.calls()
                disk.fail_at(0, 0, 0)
                assert not list(derived.rglob(".pca*.partial")), (job, n, code)
                assert not list(derived.rglob(".*kept*.partial")), (job, n, code)
                if event["event"] == "done" and used < n:
                    break
                if event["event"] == "failed":
                    assert os.strerror(code) in event["why"], event
                    assert "run the same command again" in event["fix"], event
                    assert "detail" not in event, event
            said.append(n - 1)
    for way in range(6):
        assert np.array_equal(np.load(derived / f"pass-{way}" / "activations.npy"), values)
        assert np.isfinite(np.load(derived / f"map-{way}" / "pca.npy")).all()
    print(json.dumps(said), flush=True)
    os._exit(0)  # The loop still listens.
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux: the disk is made to fail below libc")
    made = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"], check=True
    )
    return made


def _run(library: Path, script: str, folder: Path, below: Path) -> list[int]:
    """Run a script on a disk that can fail; return how often each way of failing did."""
    environment = {**os.environ, "LD_PRELOAD": str(library), "FAIL_BELOW": str(below)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_HEAD) + textwrap.dedent(script), str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counted: list[int] = json.loads(done.stdout)
    return counted


@pytest.fixture
def made(folder: Path) -> Path:
    with Case.create(folder) as case:
        describe(case, 1000)
        case.tags.apply([999], "clean")
    return folder


def test_tagging_until_no_call_fails(library: Path, made: Path) -> None:
    counted = _run(library, _TAGGING, made, made)
    # The log's frames and its flush at least, whichever way it fails.
    assert min(counted) >= 3
    with Case.open(made) as case:
        assert case.tags.counts()["poison"] == 6 * 60
        assert len(case.notes.on_samples()) == 6
        assert case.verify() == []


def test_opening_and_writing_arrays_until_no_call_fails(library: Path, made: Path) -> None:
    counted = _run(library, _OPENING, made, made)
    assert min(counted) >= 3
    with Case.open(made) as case:
        assert [case.tags.of(way) for way in range(6)] == [["clean"]] * 6


def test_the_window_keeps_every_act_and_offers_it_again(library: Path, made: Path) -> None:
    with Case.open(made) as case:
        store(case, "labels", np.zeros(1000, np.int32))
    counted = _run(library, _WINDOW, made, made)
    assert min(counted) >= 2
    with Case.open(made) as case:
        assert case.verify() == []


def test_scanning_until_no_call_fails(library: Path, tmp_path: Path) -> None:
    """The client's side of a scan: each failure ends it, and the next attempt goes on."""
    for name in ("model.pt", "data.npz"):
        (tmp_path / name).write_bytes(b"x")
    folder = tmp_path / "cases"
    folder.mkdir()
    counted = _run(library, _SCANNING, folder, folder)
    assert min(counted) >= 10


def test_the_engines_own_writes_until_no_call_fails(library: Path, tmp_path: Path) -> None:
    """Each failure is one clear line without a trace, and the same job again goes through."""
    derived = tmp_path / "derived"
    derived.mkdir()
    counted = _run(library, _ENGINE, derived, derived)
    assert min(counted) >= 1
    # The pass writes blocks, marks them, and flushes data, progress and folder.
    assert min(counted[:6]) >= 10


@pytest.mark.slow
def test_exporting_until_no_call_fails(library: Path, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    images = np.arange(30 * 16, dtype=np.uint8).reshape(30, 4, 4)
    np.savez(data, x=images, y=np.arange(30) % 3)
    with Case.create(folder) as case:
        describe(case, 30)
        case.add_evidence("data", data, open_dataset(data).digest(), data.stat().st_size)
        case.tags.apply([3, 4], "poison")
    counted = _run(library, _EXPORTING, folder, tmp_path / "exports")
    assert min(counted) >= 5
    places: list[Any] = sorted(os.listdir(tmp_path / "exports"))
    assert places == [f"cleaned {way}" for way in range(6)]
    for place in places:
        subprocess.run(
            ["sha256sum", "-c", "--quiet", "manifest.sha256"],
            cwd=tmp_path / "exports" / place,
            check=True,
        )
