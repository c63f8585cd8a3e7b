"""Ctrl-C and ``kill -9`` during a scan: nothing finished is lost, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from held_engine import HALF_THROUGH, command_with_held_engines, hold_engines, reading
from inspector.case import Case
from inspector.engine.client import Engine, Investigation, ScanOptions
from inspector.errors import EngineStopped

AT_ONCE = 10.0
"""Seconds: half of one where the machine is free, but other tests may have its cores."""


def _many_digits(demo: Path, folder: Path, copies: int = 12) -> Path:
    """The demonstration's digits, repeated, so that a pass takes long enough to be stopped."""
    from PIL import Image

    files = sorted((demo / "evidence" / "data").rglob("*.png"))
    images = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])
    labels = np.array([int(file.parent.name) for file in files])
    path = folder / "many.npz"
    np.savez(path, x=np.tile(images, (copies, 1, 1)), y=np.tile(labels, copies))
    return path


def test_control_c_leaves_a_case_that_the_same_command_resumes(demo: Path, tmp_path: Path) -> None:
    data = _many_digits(demo, tmp_path)
    words = ["scan", "--data", str(data), "--model", str(demo / "evidence" / "model.safetensors")]
    words += ["--case", str(tmp_path / "a.case"), "--json"]
    held = command_with_held_engines(HALF_THROUGH)
    process = subprocess.Popen(
        [sys.executable, "-c", held, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Signals: started"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    command = [sys.executable, "-m", "inspector", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["assessed"] == 12 * 1500


def test_a_killed_engine_is_explained_and_the_scan_goes_on(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _many_digits(demo, tmp_path)
    options = ScanOptions(model=demo / "evidence" / "model.safetensors", data=data)
    with Case.create(tmp_path / "b.case") as case:
        seen: list[dict[str, object]] = []

        def kill(event: dict[str, object]) -> None:
            if event["event"] == "progress" and event["stage"] == "Signals" and not seen:
                done = event["done"]
                assert isinstance(done, int)
                if done > 0:
                    seen.append(event)
                    engine = investigation._engines.strict
                    assert engine is not None
                    assert engine.pid is not None
                    os.kill(engine.pid, signal.SIGKILL)

        investigation = Investigation(case, kill)
        with monkeypatch.context() as patched:
            hold_engines(patched, HALF_THROUGH)
            with pytest.raises(EngineStopped, match="signal 9"):
                investigation.scan(options)
        assert seen
        investigation.scan(options)
        resumed = np.asarray(case.array("logits")).copy()
        investigation.close()
    with Case.create(tmp_path / "c.case") as case:
        investigation = Investigation(case)
        investigation.scan(options)
        whole = np.asarray(case.array("logits")).copy()
        investigation.close()
    np.testing.assert_array_equal(resumed, whole)


def test_pause_and_cancel_are_answered_at_once(demo: Path, tmp_path: Path) -> None:
    data = _many_digits(demo, tmp_path, copies=40)
    options = ScanOptions(model=demo / "evidence" / "model.safetensors", data=data)
    with Case.create(tmp_path / "d.case") as case:
        events: list[dict[str, object]] = []
        investigation = Investigation(case, events.append)
        investigation.start_scan(options, with_map=False)

        def wait_for(kind: str, stage: str | None = None) -> float:
            end = time.monotonic() + 300
            while time.monotonic() < end:
                for event in events:
                    if event["event"] == kind and (stage is None or event.get("stage") == stage):
                        return time.monotonic()
                time.sleep(0.005)
            raise AssertionError(f"no {kind} within five minutes: {events[-3:]}")

        wait_for("progress", "Signals")
        asked = time.monotonic()
        investigation.pause()
        assert wait_for("paused") - asked < AT_ONCE
        asked = time.monotonic()
        investigation.cancel()
        assert wait_for("cancelled") - asked < AT_ONCE
        told = [event for event in events if event.get("stage") == "Signals" and "done" in event]
        assert told[-1]["done"] < told[-1]["total"]  # type: ignore[operator]
        investigation.close()


def test_an_engine_that_cannot_start_says_so(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "derived")
    engine.start()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)  # It starts no further than this.
    number = engine.submit("intake", model="/nowhere", data="/nowhere", choice={})
    os.kill(engine.pid, signal.SIGSEGV)
    os.kill(engine.pid, signal.SIGCONT)
    with pytest.raises(EngineStopped, match=r"signal 11") as refusal:
        engine.wait(number, timeout=300)
    assert "evidence was not touched" in str(refusal.value)


def test_a_crash_on_a_file_is_an_explained_outcome(demo: Path, tmp_path: Path) -> None:
    model = demo / "evidence" / "model.safetensors"
    words = ["scan", "--model", str(model), "--data", str(demo / "evidence" / "data")]
    words += ["--case", str(tmp_path / "e.case")]
    crashing = command_with_held_engines(reading(model.name), crashes=True)
    process = subprocess.run(
        [sys.executable, "-c", crashing, *words], capture_output=True, text=True, timeout=300
    )
    said = process.stderr
    assert process.returncode == 3, said
    assert "The engine stopped (signal 11, SIGSEGV) while reading model.safetensors." in said
    assert "Traceback" not in said
    with Case.open(tmp_path / "e.case") as case:
        acts = {entry.act: entry.details for entry in case.journal.entries()}
    assert "signal 11" in acts["scan failed"]["reason"]
    started = acts["engine started"]
    # What is said about the rest is what the case records as having been in force.
    if not started["missing"]:
        assert "Nothing outside the sandbox was touched." in said
    assert {layer.split()[0] for layer in started["sandbox"]} >= {"rlimits"}
    command = [sys.executable, "-m", "inspector", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
