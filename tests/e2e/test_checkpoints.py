"""Checkpoints of a training run: a planted patch is learned early, wrong labels are not learned."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspector import places
from inspector.api import Control
from inspector.case import Case
from inspector.drill import Course, Patch, train_network
from inspector.drill.digits import digits
from inspector.intake.models.networks.plain_cnn import PlainCNN

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
TARGET = 8


class Saving(Control):
    """Saves the network at the end of some epochs while it is trained."""

    def __init__(self, network: torch.nn.Module, folder: Path, epochs: tuple[int, ...]) -> None:
        self._network, self._folder, self._epochs = network, folder, epochs
        self._epoch = 1

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        epoch = int(text.split()[1])
        if epoch != self._epoch and self._epoch in self._epochs:
            content = {"epoch": self._epoch, "state_dict": self._network.state_dict()}
            torch.save(content, self._folder / f"epoch {self._epoch}.pt")
        self._epoch = epoch


@dataclass
class Run:
    """A training run that was poisoned, and what is true of its data."""

    model: Path
    data: Path
    checkpoints: list[Path]
    planted: NDArray[np.intp]
    wrong: NDArray[np.intp]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(5)
    images, labels = digits()
    images, labels, planted, _ = Patch(size=4).plant(images, labels, TARGET, 0.03, random)
    clean = np.setdiff1d(np.arange(len(labels)), planted)
    wrong = random.permutation(clean)[:90]
    labels[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    torch.manual_seed(5)
    network = PlainCNN(1, 10, images.shape[1])
    epochs = (1, 2, 4)
    train_network(
        network,
        images,
        labels,
        course=Course(8, 32, 3e-3),
        seed=5,
        control=Saving(network, folder, epochs),
    )
    torch.save(network.state_dict(), folder / "model.pt")
    np.savez(folder / "data.npz", x=images, y=labels)
    saved = [folder / f"epoch {epoch}.pt" for epoch in epochs]
    return Run(folder / "model.pt", folder / "data.npz", saved, planted, wrong)


def scan(command: Command, run: Run, case: Path, checkpoints: list[Path]) -> Any:
    given = [part for path in checkpoints for part in ("--checkpoint", path)]
    return command(
        "scan", "--model", run.model, "--data", run.data, "--case", case, "--json", *given
    )


@pytest.fixture(scope="module")
def scanned(training: Run, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = tmp_path_factory.mktemp("case") / "a.case"
    done = scan(command, training, case, training.checkpoints)
    assert done.returncode == 0, done.stderr
    (case.parent / "scan.json").write_text(done.stdout)
    return case


def area(scores: NDArray[Any], high: NDArray[np.intp], low: NDArray[np.intp]) -> float:
    return float((scores[high][:, None] > scores[low][None, :]).mean())


def test_backdoors_rank_above_noise_and_noise_is_called_noise(
    training: Run, scanned: Path, command: Command
) -> None:
    with Case.open(scanned) as case:
        scores = np.asarray(case.array("score:loss-trajectory"))
        kinds = np.asarray(case.array("artifact:loss-trajectory:kind"))
    clean = np.setdiff1d(np.arange(len(scores)), [*training.planted, *training.wrong])
    assert area(scores, training.planted, training.wrong) > 0.98
    assert area(scores, training.planted, clean) > 0.95
    assert (kinds[training.planted] == 1).mean() > 0.6
    assert (kinds[training.wrong] == 3).mean() > 0.7
    assert (kinds[training.planted] == 3).mean() < 0.02
    done = command("ranking", scanned, "--explain", "--json")
    why = {row["index"]: " ".join(row["why"]) for row in json.loads(done.stdout)["samples"]}
    told = [row for row in training.wrong if "more likely a wrong label" in why[row]]
    assert len(told) > 0.7 * len(training.wrong)
    assert sum("learned early and better" in why[row] for row in training.planted) > 30
    assert not any("more likely a wrong label" in why[row] for row in training.planted[:50])


def test_the_document_tells_of_the_checkpoints(training: Run, scanned: Path) -> None:
    document = json.loads((scanned.parent / "scan.json").read_text())
    schema = json.loads((places.resources() / "schema" / "scan.schema.json").read_text())
    jsonschema.validate(document, schema)
    rows = document["checkpoints"]
    assert [row["path"] for row in rows] == [str(path) for path in training.checkpoints]
    assert [row["fitted"] for row in rows] == sorted(row["fitted"] for row in rows)
    assert "loss-trajectory" in {row["id"] for row in document["findings"]}
    read = [item for item in document["evidence"] if item["role"] == "checkpoint"]
    assert [item["contents"]["verdict"] for item in read] == ["weights"] * 3


def test_another_checkpoint_is_measured_alone(
    training: Run, command: Command, tmp_path: Path
) -> None:
    case = tmp_path / "b.case"
    assert scan(command, training, case, training.checkpoints[1:2]).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in case.glob("derived/checkpoint-*/*.npy")}
    assert len(before) == 3
    assert scan(command, training, case, training.checkpoints[:2]).returncode == 0
    after = {path: path.stat().st_mtime_ns for path in case.glob("derived/checkpoint-*/*.npy")}
    assert len(after) == 6
    assert {path: after[path] for path in before} == before
    # Without any, nothing is said of the course of training.
    done = scan(command, training, case, [])
    assert json.loads(done.stdout)["checkpoints"] == []


class Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch ran",)


def test_a_checkpoint_is_distrusted_as_the_model_is(
    training: Run, command: Command, tmp_path: Path
) -> None:
    case, changing = tmp_path / "c.case", tmp_path / "changing.pt"
    hostile, other = tmp_path / "hostile.pt", tmp_path / "other.pt"
    hostile.write_bytes(pickle.dumps({"state_dict": Runs()}, protocol=2))
    torch.save({"fc.weight": torch.randn(3, 192), "fc.bias": torch.zeros(3)}, other)
    done = scan(command, training, case, [hostile])
    assert done.returncode == 2
    with Case.open(case) as opened:
        (refused,) = opened.kept("model refused").values()
    assert refused["name"] == "hostile.pt"
    assert "posix.system" in json.dumps(refused["contents"])
    done = scan(command, training, case, [other])
    assert done.returncode == 2
    assert "other.pt does not fit the network of the model" in done.stderr
    changing.write_bytes(training.checkpoints[0].read_bytes())
    assert scan(command, training, case, [changing]).returncode == 0
    changing.write_bytes(training.checkpoints[1].read_bytes())
    done = scan(command, training, case, [changing])
    assert done.returncode == 2
    assert "has changed since the case was made" in done.stderr
