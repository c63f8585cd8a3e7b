"""With a GPU the strict engine parses the model, and the other one gets its copy alone.

No GPU is needed: what goes where is decided in the app. How a CUDA driver gets on inside its
engine is not tested here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inspector.case import Case
from inspector.engine.client import Engine, Investigation, ScanOptions, engines, investigation
from inspector.engine.client.placement import device_of, on_gpu, readable
from inspector.errors import InspectorError


class RecordedEngine:
    """Stands for an engine; keeps what it was allowed and asked."""

    made: list[RecordedEngine] = []

    def __init__(
        self, derived: Path, on_event: Any, *, read: Any, cuda: bool = False, **more: Any
    ) -> None:
        self.read, self.cuda, self.alive = tuple(read), cuda, True
        self.layers, self.missing = (["rlimits"], {"netns": "refused"})
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.made.append(self)

    def start(self) -> None:
        pass

    def wait_ready(self) -> None:
        pass

    def close(self, timeout: float = 0) -> None:
        self.alive = False

    def submit(self, job: str, **arguments: Any) -> int:
        self.asked.append((job, arguments))
        return len(self.asked)

    def wait(self, number: int) -> dict[str, Any]:
        return {"path": "/case/cleaned.safetensors", "sha256": "c" * 64}


@pytest.fixture
def options(tmp_path: Path) -> ScanOptions:
    (tmp_path / "m.pt").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    return ScanOptions(model=tmp_path / "m.pt", data=tmp_path / "data")


def test_only_signals_on_cuda_leave_the_strict_engine(options: ScanOptions) -> None:
    assert on_gpu("signals", {"device": "cuda"})
    assert not on_gpu("signals", {"device": "cpu"})
    for job in ("intake", "clean", "detect", "pca", "trigger"):
        assert not on_gpu(job, {"device": "cuda"})
    assert options.model in readable(options, cuda=False)
    assert options.model not in readable(options, cuda=True)
    assert options.data in readable(options, cuda=True)


def test_device_nodes_stand_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu") == "cpu"
    assert device_of("cuda") == "cuda"
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/nvidiactl")
    assert device_of("auto") == "cuda"
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert device_of("auto") == "cpu"


def test_the_gpu_engine_reads_the_cleaned_copy_alone(
    options: ScanOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RecordedEngine.made = []
    monkeypatch.setattr(engines, "Engine", RecordedEngine)

    def steps(case: Case, run: Any, given: ScanOptions, emit: Any, device: str) -> None:
        assert device == "cuda"
        common = {"model": str(given.model), "choice": {"spec": {"sha256": "a" * 64}}}
        run("intake", model=str(given.model))
        run("signals", device=device, **common)
        run("detect", arrays={})

    monkeypatch.setattr(investigation.scans, "scan", steps)
    with Case.create(tmp_path / "a.case") as case:
        events: list[dict[str, Any]] = []
        held = Investigation(case, events.append)
        held.scan(ScanOptions(model=options.model, data=options.data, device="cuda"))
        held.close()
        rows = [e.details for e in case.journal.entries() if e.act == "engine started"]
    strict, gpu = RecordedEngine.made
    assert (strict.cuda, gpu.cuda) == (False, True)
    assert options.model in strict.read
    assert options.model not in gpu.read
    assert [job for job, _ in strict.asked] == ["intake", "clean", "detect"]
    assert strict.asked[1][1] == {
        "model": str(options.model),
        "sha256": "a" * 64,
        "spec": {"sha256": "a" * 64},
    }
    assert [job for job, _ in gpu.asked] == ["signals"]
    assert gpu.asked[0][1]["cleaned"]["path"] == "/case/cleaned.safetensors"
    assert [row["device"] for row in rows] == ["cpu", "cuda"]
    assert rows[0]["missing"] == {"netns": "refused"}
    said = [event["text"] for event in events if event["event"] == "log"]
    assert said == ["Part of the sandbox is not offered here: netns."] * 2


def test_the_cleaned_copy_gives_the_same_answers(tmp_path: Path) -> None:
    """The whole way on the CPU: strict engine, clean, an engine that cannot read the suspect."""
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (40, 4, 4, 1), np.uint8)
    data, model = tmp_path / "data.npz", tmp_path / "victim.pt"
    np.savez(data, x=images, y=np.arange(40) % 3)
    torch.manual_seed(0)
    torch.save(
        {"model": {"module.fc.weight": torch.randn(3, 16), "module.fc.bias": torch.zeros(3)}},
        model,
    )
    derived = tmp_path / "derived"

    def asked(engine: Engine, job: str, **arguments: Any) -> dict[str, Any]:
        return engine.wait(engine.submit(job, **arguments), timeout=120)

    strict = Engine(derived, read=[model, data])
    strict.start()
    strict.wait_ready()
    try:
        # Read as a spec states: the copy has the network's names already.
        weights = {"select": "model", "strip_prefix": ["module."], "container": "state_dict"}
        stated = {"stated": {"weights": weights}}
        choice = {"stated": stated}
        found = asked(strict, "intake", model=str(model), data=str(data), choice=choice)
        common = {"model": str(model), "data": str(data)}
        common["choice"] = {"spec": found["model"]["spec"]}
        asked(strict, "signals", folder="strict", **common)
        with pytest.raises(InspectorError, match="has changed"):
            asked(strict, "clean", model=str(model), sha256="0" * 64)
        examined = {"sha256": found["model"]["sha256"], "spec": found["model"]["spec"]}
        cleaned = asked(strict, "clean", model=str(model), **examined)
        other = Engine(derived, read=[data])
        other.start()
        other.wait_ready()
        try:
            asked(other, "signals", folder="other", cleaned=cleaned, **common)
            if "landlock" not in other.missing:
                with pytest.raises(InspectorError):
                    asked(other, "signals", folder="third", **{**common, "choice": {}})
        finally:
            other.close()
    finally:
        strict.close()
    ours, theirs = (np.load(derived / name / "logits.npy") for name in ("strict", "other"))
    np.testing.assert_array_equal(ours, theirs)
