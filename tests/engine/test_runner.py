"""The engine's loop, driven through real pipes with jobs that take as long as the test wants."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from inspector.api import Control
from inspector.engine.protocol import encode
from inspector.engine.runner import Runner
from inspector.errors import BadInput

ENDLESS = 1_000_000
"""Steps of a job that only a command ends, however late it comes."""


def _count(session: Any, control: Control, *, steps: int = ENDLESS) -> dict[str, Any]:
    for step in range(steps):
        control.check()
        control.progress("Counting", step + 1, steps)
        time.sleep(0.002)
    return {"counted": steps}


def _fall_back(session: Any, control: Control) -> dict[str, Any]:
    for done in (5, 3, 7, 10):
        control.progress("Uneven", done, 10)
        time.sleep(0.06)
    return {}


def _refuse(session: Any, control: Control) -> dict[str, Any]:
    raise BadInput("The file is empty.", "It has 0 bytes.", "Give another.")


def _break(session: Any, control: Control) -> dict[str, Any]:
    return {"x": 1 // 0}


def _conclude(session: Any, control: Control) -> dict[str, Any]:
    for step in range(ENDLESS):
        control.check()
        control.progress("Searching", step + 1, ENDLESS)
        if control.ends_early():
            return {"ended": step + 1}
        time.sleep(0.002)
    return {"ended": ENDLESS}


def _count_until_told(session: Any, control: Control, *, end: str) -> dict[str, Any]:
    step = 0
    while not os.path.exists(end):
        control.check()
        step += 1
        control.progress("Counting", step, 0)
        time.sleep(0.002)
    return {"counted": step}


JOBS = {
    "count": _count,
    "count until told": _count_until_told,
    "uneven": _fall_back,
    "refuse": _refuse,
    "break": _break,
    "conclude": _conclude,
}


class _Pipes:
    def __init__(self, to: BinaryIO, back: BinaryIO) -> None:
        self.to, self.back = to, back

    def say(self, **command: Any) -> None:
        self.to.write(encode(command))
        self.to.flush()

    def until(self, *kinds: str) -> list[dict[str, Any]]:
        events = []
        while True:
            event = json.loads(self.back.readline())
            events.append(event)
            if event["event"] in kinds:
                return events


@pytest.fixture
def engine() -> Iterator[_Pipes]:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    runner = Runner(JOBS, None, os.fdopen(in_read, "rb"), os.fdopen(out_write, "wb"))
    thread = threading.Thread(target=runner.listen, daemon=True)
    thread.start()
    pipes = _Pipes(os.fdopen(in_write, "wb"), os.fdopen(out_read, "rb"))
    yield pipes
    pipes.to.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_cancel_ends_a_job_at_its_next_check(engine: _Pipes) -> None:
    engine.say(do="run", id=1, job="count")
    engine.until("progress")
    engine.say(do="cancel", id=1)
    engine.until("cancelled")


def test_a_paused_job_holds_until_it_is_resumed(engine: _Pipes, tmp_path: Path) -> None:
    end = tmp_path / "end"
    engine.say(do="run", id=1, job="count until told", **{"with": {"end": str(end)}})
    engine.until("progress")
    engine.say(do="pause", id=1)
    engine.until("paused")
    time.sleep(0.3)  # Progress made meanwhile would stand in the pipe before "resumed".
    engine.say(do="resume", id=1)
    after = engine.until("progress")
    assert after[0]["event"] == "resumed"
    end.touch()
    assert engine.until("done")[-1]["result"]["counted"] >= after[-1]["done"]


def test_a_paused_job_can_be_cancelled(engine: _Pipes) -> None:
    engine.say(do="run", id=1, job="count")
    engine.say(do="pause", id=1)
    engine.until("paused")
    engine.say(do="cancel", id=1)
    assert engine.until("cancelled")[-1]["id"] == 1


@pytest.mark.parametrize("paused", [False, True])
def test_a_job_that_can_concludes_with_what_it_has(engine: _Pipes, paused: bool) -> None:
    engine.say(do="run", id=1, job="conclude")
    engine.until("progress")
    if paused:
        engine.say(do="pause", id=1)
        engine.until("paused")
    engine.say(do="finish", id=1)
    assert 0 < engine.until("done")[-1]["result"]["ended"] < ENDLESS


def test_progress_is_throttled_and_never_falls(engine: _Pipes) -> None:
    started = time.monotonic()
    engine.say(do="run", id=1, job="count", **{"with": {"steps": 300}})
    counts = [e["done"] for e in engine.until("done") if e["event"] == "progress"]
    elapsed = time.monotonic() - started
    assert len(counts) <= elapsed * 20 + 2
    assert counts[-1] == 300
    engine.say(do="run", id=2, job="uneven")
    counts = [e["done"] for e in engine.until("done") if e["event"] == "progress"]
    assert counts == sorted(counts)


def test_a_refusal_keeps_its_three_parts_and_the_engine_lives_on(engine: _Pipes) -> None:
    engine.say(do="run", id=1, job="refuse")
    failed = engine.until("failed")[-1]
    assert (failed["kind"], failed["what"], failed["fix"]) == (
        "BadInput",
        "The file is empty.",
        "Give another.",
    )
    engine.say(do="run", id=2, job="count", **{"with": {"steps": 1}})
    assert engine.until("done")[-1]["result"] == {"counted": 1}


def test_a_defect_is_one_line_with_the_traceback_apart(engine: _Pipes) -> None:
    engine.say(do="run", id=1, job="break")
    failed = engine.until("failed")[-1]
    assert "ZeroDivisionError" in failed["what"]
    assert "Traceback" not in failed["what"]
    assert "Traceback" in failed["detail"]


def test_garbage_on_the_line_is_reported_and_skipped(engine: _Pipes) -> None:
    engine.to.write(b"rubbish\n")
    engine.say(do="run", id=1, job="count", **{"with": {"steps": 1}})
    events = engine.until("done")
    assert any(event["event"] == "log" for event in events)


def test_an_unknown_job_is_refused(engine: _Pipes) -> None:
    engine.say(do="run", id=1, job="format the disk")
    assert "no job" in engine.until("failed")[-1]["what"]
