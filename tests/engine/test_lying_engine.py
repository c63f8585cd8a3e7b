"""An engine that hostile bytes took over: what it says never leads the app out of the case."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector.case import Case
from inspector.engine.client import Engine, Investigation, ScanOptions, process
from inspector.engine.client.spec_file import record_spec
from inspector.engine.client.taking_in import intake
from inspector.engine.client.told_evidence import check_told
from inspector.errors import InspectorError


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with Case.create(tmp_path / "c.case") as made:
        yield made


@pytest.fixture
def options(tmp_path: Path) -> ScanOptions:
    (tmp_path / "m.pt").write_bytes(b"x")
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "secret.key"):
        (tmp_path / name).write_bytes(b"x")
    return ScanOptions(model=tmp_path / "m.pt", data=tmp_path / "train-images-idx3-ubyte")


def told(options: ScanOptions, **changes: Any) -> list[dict[str, Any]]:
    data = {"role": "data", "path": str(options.data), "sha256": "a" * 64, "size": 1} | changes
    return [{"role": "model", "path": str(options.model), "sha256": "b" * 64, "size": 1}, data]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/home"},
        {"role": "verified"},
        {"role": "reference"},
        {"files": ["/etc/passwd"]},
        {"files": ["secret.key"]},
    ],
)
def test_it_cannot_name_other_evidence(
    case: Case, options: ScanOptions, changes: dict[str, Any]
) -> None:
    """What is recorded as evidence is what later engines may read and exports copy."""

    def run(job: str, **arguments: Any) -> dict[str, Any]:
        return {"evidence": told(options, **changes)}

    with pytest.raises(InspectorError, match="was not asked to read"):
        intake(case, run, options, lambda event: None)
    assert case.evidence() == []


def test_what_belongs_to_the_evidence_is_taken(options: ScanOptions) -> None:
    beside = [str(options.data), str(options.data.parent / "train-labels-idx1-ubyte")]
    check_told(told(options, files=beside), options)


@pytest.mark.parametrize("answer", [{}, {"evidence": 5}, {"evidence": [{"role": []}]}])
def test_an_answer_without_sense_is_one_sentence(
    case: Case, options: ScanOptions, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, Any]] = []
    investigation = Investigation(case, said.append)
    monkeypatch.setattr(investigation, "_open_engine", lambda options: None)
    monkeypatch.setattr(investigation, "_run", lambda job, **arguments: answer)
    investigation.start_scan(options, with_map=False)
    investigation._thread.join(20)
    assert said[-1]["event"] == "failed"
    assert said[-1]["what"]
    assert investigation.running is None


def test_it_cannot_improve_its_sandbox_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers are told before anything is read; jobs that were not asked for have no results."""
    lines = [
        {"event": "ready", "layers": ["rlimits"], "missing": {}},
        {"event": "done", "id": 77, "result": {}},
        {"event": "ready", "layers": ["landlock 7", "seccomp"], "missing": {}},
        {"event": "done", "id": 1, "result": {"right": True}},
    ]
    script = "import sys; sys.stdin.readline()\n" + "\n".join(
        f"print({json.dumps(line)!r}, flush=True)" for line in lines
    )
    original = process.start_process
    monkeypatch.setattr(
        process,
        "start_process",
        lambda command, *rest: original([sys.executable, "-c", script], *rest),
    )
    engine = Engine(tmp_path / "derived")
    engine.start()
    assert engine.wait(engine.submit("intake"), timeout=30) == {"right": True}
    assert engine.layers == ["rlimits"]
    assert engine._outcomes == {}
    engine.kill()


def test_the_written_spec_replaces_a_planted_link(case: Case, tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    (case.path / ".model-spec.toml.partial").symlink_to(victim)
    model = {
        "model_spec": {"spec": "model-spec/1"},
        "architecture": "resnet18",
        "family": "resnet",
        "accuracy": 0.5,
        "accuracy_sample": 10,
        "candidates": [],
        "tried": [],
    }
    record_spec(case, model, None)
    assert victim.read_text() == "precious"
    assert (case.path / "model-spec.toml").is_file()
    assert not (case.path / "model-spec.toml").is_symlink()
