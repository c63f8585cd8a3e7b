"""An engine that hangs or dies: who is named, what may be said about the rest, what stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from held_engine import hold_engines, reading
from inspector.engine.client import Engine, silence
from inspector.engine.client.protection import after_a_crash, brief, explained, missing_layers
from inspector.engine.client.silence import Silence
from inspector.errors import EngineStopped

ALL = ["rlimits", "netns", "process", "landlock 7", "seccomp"]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model and data that open."""
    tmp_path = tmp_path_factory.mktemp("evidence")
    torch.save({"w.weight": torch.zeros(2, 1600), "w.bias": torch.zeros(2)}, tmp_path / "victim.pt")
    np.savez(tmp_path / "data.npz", x=np.zeros((60, 40, 40, 1), np.uint8), y=np.arange(60) % 2)
    return {"model": str(tmp_path / "victim.pt"), "data": str(tmp_path / "data.npz")}


def strike(engine: Engine, number: signal.Signals) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, number)


def when_reading(
    name: str, act: Callable[[Engine], None], evidence: dict[str, str], derived: Path
) -> str:
    """Run intake, do something to the engine while it reads this file; return the refusal."""

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "reading" and event["name"] == name:
            act(engine)

    engine = Engine(derived, watch, read=[Path(path) for path in evidence.values()])
    with pytest.MonkeyPatch.context() as patched:
        hold_engines(patched, reading(name))
        engine.start()
    with pytest.raises(EngineStopped) as refusal:
        engine.wait(engine.submit("intake", choice={}, **evidence), timeout=120)
    assert not engine.alive
    return str(refusal.value)


@pytest.mark.parametrize("name", ["victim.pt", "data.npz"])
def test_a_crash_names_the_file(evidence: dict[str, str], tmp_path: Path, name: str) -> None:
    said = when_reading(
        name, lambda engine: strike(engine, signal.SIGSEGV), evidence, tmp_path / "derived"
    )
    assert f"(signal 11, SIGSEGV) while reading {name}." in said
    assert "treat it as hostile" in said


def test_a_file_that_hangs_the_engine(evidence: dict[str, str], tmp_path: Path) -> None:
    def hang(engine: Engine) -> None:
        strike(engine, signal.SIGSTOP)
        engine._silence.allowed = 0.5

    said = when_reading("victim.pt", hang, evidence, tmp_path / "derived")
    assert said.startswith("The engine was stopped: it had been busy with victim.pt")


def test_silence_counts_only_while_reading_and_not_while_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(silence.time, "monotonic", lambda: now[0])
    clock = Silence()
    now[0] = 1e6
    assert not clock.overdue()
    clock.hear({"event": "reading", "name": "a", "seconds": 10})
    now[0] += 9
    assert not clock.overdue()
    clock.hear({"event": "alive"})
    now[0] += 9
    assert not clock.overdue()
    clock.hear({"event": "paused"})
    now[0] += 1000
    assert not clock.overdue()
    clock.hear({"event": "resumed"})
    now[0] += 11
    assert clock.overdue()
    clock.hear({"event": "read"})
    now[0] += 1e6
    assert not clock.overdue()


@pytest.mark.parametrize("seconds", [1e300, float("inf"), float("nan"), "soon", None, -1])
def test_an_engine_cannot_ask_to_be_silent_for_ever(seconds: object) -> None:
    clock = Silence()
    clock.hear({"event": "reading", "name": "a", "seconds": seconds})
    assert 0 < clock.allowed <= silence.LONGEST


def test_words_match_what_is_in_force() -> None:
    assert after_a_crash(True, ALL) == "Nothing outside the sandbox was touched."
    assert "not read anything" in after_a_crash(False, [])
    said = after_a_crash(True, ["rlimits", "seccomp"])
    assert "rlimits, seccomp" in said
    assert "no landlock" in said
    assert "not certain" in said
    assert brief(ALL) == "sandboxed"
    assert brief(ALL[:3]) == "sandbox without landlock, seccomp"
    assert brief([]) == ""
    assert missing_layers(ALL) == []
    lines = explained(["rlimits", "landlock 7"]).splitlines()
    assert len(lines) == 6
    assert any(line.startswith("landlock 7: in force") for line in lines)
    assert any(line.startswith("netns: not offered here") for line in lines)
