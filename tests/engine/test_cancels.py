"""Cancel, pause and begin at awkward moments: each is heard once, by the job it was meant for."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from held_engine import hold_engines, reading
from inspector.case import Case
from inspector.engine.client import Investigation, ScanOptions
from inspector.engine.client.engines import Engines
from inspector.engine.client.job_thread import JobThread
from inspector.errors import Cancelled, EngineStopped, InspectorError

AT_ONCE = 10.0
"""Seconds: one where the machine is free, but other tests may have its cores."""


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A scanned case whose model was touched since, so that it is hashed again."""
    model = tmp_path / "m.pt"
    model.write_bytes(b"x")
    with Case.create(tmp_path / "c.case") as made:
        made.set("dataset", {"n": 10, "class_names": ["a", "b"], "digest": "a" * 64, "notes": []})
        made.set("model", {"num_classes": 2, "spec": {"sha256": "b" * 64}})
        made.set("scan", ScanOptions(model=model, data=tmp_path).as_record())
        made.add_evidence("model", model, hashlib.sha256(b"x").hexdigest(), 1)
        os.utime(model, ns=(1, 1))
        assert [look.state for look in made.watch.look()] == ["touched"]
        yield made


def hashing(investigation: Investigation, patched: pytest.MonkeyPatch) -> threading.Event:
    """Have every engine hold when it reads the model; return what is set when one does."""
    there = threading.Event()

    def hear(event: dict[str, Any]) -> None:
        if event["event"] == "reading":
            there.set()

    patched.setattr(investigation, "_on_engine_event", hear)
    hold_engines(patched, reading("m.pt"))
    return there


def test_a_cancel_while_the_evidence_is_hashed_ends_a_job_in_the_background(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    ended = threading.Event()

    def tell(event: dict[str, Any]) -> None:
        told.append(event)
        ended.set()

    investigation = Investigation(case, tell)
    there = hashing(investigation, monkeypatch)
    investigation.start_carriers()
    assert there.wait(120), told
    assert investigation.running == "carriers"
    asked = time.monotonic()
    investigation.cancel()
    assert ended.wait(120)
    assert time.monotonic() - asked < AT_ONCE
    assert [(event["event"], event["job"]) for event in told] == [("cancelled", "carriers")]
    assert not [entry for entry in case.journal.entries() if entry.act == "engine started"]
    # One that nobody hears, for nothing runs, is not meant for the next job.
    investigation.cancel()
    ended.clear()
    investigation._start("stamp", investigation._engines.check)
    assert ended.wait(60)
    assert told[-1]["event"] == "done"
    investigation.close()


def test_a_cancel_while_the_evidence_is_hashed_ends_a_command(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    investigation = Investigation(case)
    there = hashing(investigation, monkeypatch)
    kept: list[bool] = []

    def press() -> None:
        assert there.wait(120)
        kept.append(investigation.finish())  # Ctrl-C: there is nothing yet to keep
        investigation.cancel()

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(Cancelled):
        investigation.trigger([0])
    pressing.join()
    assert kept == [False]
    assert not [entry for entry in case.journal.entries() if entry.act == "engine started"]
    investigation.close()


def test_a_cancel_between_two_jobs_of_a_command_ends_the_second(case: Case) -> None:
    """The first was through when it was asked to stop: whoever asked waits for the command."""
    investigation = Investigation(case)
    with investigation._working("trigger"):
        investigation.cancel()
    with pytest.raises(Cancelled), investigation._working("carriers"):
        investigation._open_engine(ScanOptions(model=Path("m.pt"), data=Path()))
    assert not [entry for entry in case.journal.entries() if entry.act == "engine started"]
    investigation.close()


class Dead:
    """Stands in for an engine that has died."""

    def tell(self, number: int) -> None:
        raise EngineStopped("The engine stopped.")

    cancel = finish = pause = resume = tell


class Ending(Engines):
    """The running job ends in its own thread as soon as somebody has looked at it."""

    looks = 0

    @property
    def _current(self) -> Any:
        self.looks += 1
        return (Dead(), 1) if self.looks == 1 else None

    @_current.setter
    def _current(self, value: Any) -> None:
        pass


@pytest.mark.parametrize("act", ["cancel", "finish", "pause", "resume"])
def test_a_button_pressed_as_the_engine_dies_raises_nothing(case: Case, act: str) -> None:
    engines = Ending(case, lambda event: None)
    getattr(engines, act)()
    assert engines.looks == 1


def test_two_that_begin_at_once_begin_one_job() -> None:
    """The window and the end of a scan may both ask for the map."""
    told: list[dict[str, Any]] = []
    thread = JobThread(told.append)
    go_on, gate, ran = threading.Event(), threading.Barrier(8), []

    def work() -> None:
        ran.append(1)
        go_on.wait(60)

    def begin() -> None:
        gate.wait()
        begun.append(thread.start("map", work))

    begun: list[bool] = []
    askers = [threading.Thread(target=begin) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    go_on.set()
    thread.join(60)
    assert sorted(begun) == [False] * 7 + [True]
    assert ran == [1]
    assert told == [{"event": "done", "job": "map"}]


def test_a_job_that_gets_no_thread_bars_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    told: list[dict[str, Any]] = []
    thread = JobThread(told.append)
    work: Callable[[], None] = [].clear
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(InspectorError, match="scan could not be begun"):
            thread.start("scan", work)
    assert thread.job is None
    assert thread.start("scan", work)
    thread.join(60)
    assert told == [{"event": "done", "job": "scan"}]
