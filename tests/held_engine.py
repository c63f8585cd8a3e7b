"""Engines that stop of their own accord at a known place, so that a test can act on them there.

A test that acts at the first word of an engine may come too late on a busy machine: what it wanted
to interrupt is over. An engine that is held says its word and then works no further. It hears
commands meanwhile, and goes on when its job is cancelled, paused or asked to conclude.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inspector.engine.client import process

HALF_THROUGH = "event.get('stage') == 'Signals' and event.get('done')"
"""In the middle of the pass over the samples."""


def reading(name: str) -> str:
    """Return what is true when a file is being read."""
    return f"event['event'] == 'reading' and event['name'] == {name!r}"


_HELD = """
import ctypes, sys, time
import inspector.engine.__main__ as engine

there, crashes = lambda event: {when}, {crashes}
lock_down = engine.lock_down

def hold_after_lock_down(*given, **named):
    reached = lock_down(*given, **named)
    from inspector.engine.runner import Runner

    send, held = Runner.send, []

    def asked(control):
        wanted = control._cancelled.is_set() or control._finishing.is_set()
        return wanted or not control._running.is_set()

    def send_and_hold(self, event):
        send(self, event)
        if held or not there(event):
            return
        held.append(event)
        if crashes:
            ctypes.string_at(0)
        while not any(asked(control) for control in self._controls.values()):
            time.sleep(0.005)

    Runner.send = send_and_hold
    return reached

engine.lock_down = hold_after_lock_down
sys.exit(engine.main())
"""


def hold_engines(monkeypatch: pytest.MonkeyPatch, when: str, crashes: bool = False) -> None:
    """Have every engine that starts hold once it has said a certain event.

    Parameters
    ----------
    monkeypatch : MonkeyPatch
        Of the process that starts the engines.
    when : str
        Expression that is true of it: ``event["event"] == "reading"``.
    crashes : bool
        They die there by a segmentation fault instead.
    """
    original = process.start_process

    def start(command: list[str], *rest: Any) -> Any:
        at = command.index("-m")
        script = _HELD.format(when=when, crashes=crashes)
        return original([*command[:at], "-c", script, *command[at + 2 :]], *rest)

    monkeypatch.setattr(process, "start_process", start)


def command_with_held_engines(when: str, crashes: bool = False) -> str:
    """Return a script for ``python -c`` that is ``inspector`` with engines of `hold_engines`."""
    return (
        "import sys\n"
        "import pytest\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "from held_engine import hold_engines\n"
        "from inspector.cli import main\n"
        f"hold_engines(pytest.MonkeyPatch(), {when!r}, {crashes!r})\n"
        "main(prog_name='inspector')\n"
    )
