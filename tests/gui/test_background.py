"""Work beside the engine's jobs: its end is always told, and it can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import BadInput
from inspector.gui.background import BackgroundJob, start_demo

Event = dict[str, Any]


def ending_of(work: Callable[[Callable[[], None]], dict[str, Any]]) -> Event:
    events: list[Event] = []
    BackgroundJob("export", work, events.append).wait(60.0)
    assert len(events) == 1
    assert events[0]["job"] == "export"
    return events[0]


def test_a_result_and_a_refusal_and_a_full_disk_are_told() -> None:
    def refuse(check: Callable[[], None]) -> dict[str, Any]:
        raise BadInput("No.", "Because.", "Do this.")

    def fill(check: Callable[[], None]) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    assert ending_of(lambda check: {"kept": 3})["result"] == {"kept": 3}
    assert ending_of(refuse)["fix"] == "Do this."
    full = ending_of(fill)
    assert full["event"] == "failed"
    assert "No space left" in full["what"]


def test_a_cancel_takes_effect_at_the_next_check() -> None:
    events: list[Event] = []

    def work(check: Callable[[], None]) -> dict[str, Any]:
        while True:
            check()
            time.sleep(0.01)

    job = BackgroundJob("export", work, events.append)
    job.cancel()
    job.wait(60.0)
    assert not job.running
    assert events[0]["event"] == "cancelled"


@pytest.mark.slow
def test_the_demo_can_be_stopped_while_its_engine_starts(tmp_path: Path) -> None:
    events: list[Event] = []
    job = start_demo(tmp_path / "demo", events.append)
    time.sleep(1.0)
    job.cancel()
    job.wait(60.0)
    assert not job.running
    assert events[-1]["event"] == "cancelled"
