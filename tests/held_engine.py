"""Engines that stop of their own accord at a known place, so that a test can act on them there.

A test that acts at the first word of an engine may come too late on a busy machine: what it wanted
to interrupt is over. An engine that is held says its word and then works no further. It hears
commands meanwhile, and goes on when its job is cancelled or paused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inspector.engine.client import process

_HELD = """
import ctypes, sys, time
import inspector.engine.__main__ as engine

place, crashes = {place}, {crashes}
lock_down = engine.lock_down

def hold_after_lock_down(*given, **named):
    reached = lock_down(*given, **named)
    from inspector.engine.runner import Runner

    send, held = Runner.send, []

    def send_and_hold(self, event):
        send(self, event)
        words = dict(event)
        there = all(words.get(key) == value for key, value in place.items())
        if not there or held or (words["event"] == "progress" and not words["done"]):
            return
        held.append(words)
        if crashes:
            ctypes.string_at(0)
        while all(c._running.is_set() and not c._cancelled.is_set() for c in self._controls.values()):
            time.sleep(0.005)

    Runner.send = send_and_hold
    return reached

engine.lock_down = hold_after_lock_down
sys.exit(engine.main())
"""


def hold_engines(monkeypatch: pytest.MonkeyPatch, crashes: bool = False, **place: Any) -> None:
    """Have every engine that starts hold once it has said an event with these values.

    Parameters
    ----------
    monkeypatch : MonkeyPatch
        Of the process that starts the engines.
    crashes : bool
        They die there by a segmentation fault instead.
    **place
        Keys and values of the event: ``event="reading", name="model.pt"``. Of progress, the first
        that tells of something done.
    """
    original = process.start_process

    def start(command: list[str], *rest: Any) -> Any:
        at = command.index("-m")
        script = _HELD.format(place=place, crashes=crashes)
        return original([*command[:at], "-c", script, *command[at + 2 :]], *rest)

    monkeypatch.setattr(process, "start_process", start)


def command_with_held_engines(**how: Any) -> str:
    """Return a script for ``python -c`` that is ``inspector`` with engines of `hold_engines`."""
    return (
        "import sys\n"
        "import pytest\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "from held_engine import hold_engines\n"
        "from inspector.cli import main\n"
        f"hold_engines(pytest.MonkeyPatch(), **{how!r})\n"
        "main(prog_name='inspector')\n"
    )
