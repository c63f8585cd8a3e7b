"""At the edges every search answers with a sentence: no traceback, and no accusation out of nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_network import CLASSES, SIDE, TARGET, Normalised, Planted, PlantedModel, pictures
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.triggers import (
    TriggerResult,
    chosen_methods,
    discover_methods,
    prepare_search,
    trigger_document,
)

METHODS = sorted(entry.id for entry in discover_methods() if entry.origin == "bundled")
NAMES = [f"strip {index}" for index in range(CLASSES)]

each_method = pytest.mark.parametrize("method", METHODS)


def search(
    method: str, model: PlantedModel, without: int | None = None, steps: int | None = None
) -> list[TriggerResult]:
    """Search all classes, and return results in their order."""
    images, labels = pictures(240)
    there = labels != without
    asked = prepare_search(model, images[there], labels[there], range(CLASSES), steps=steps)
    (entry,) = chosen_methods([method], discover_methods())
    assert entry.factory is not None
    return sorted(entry.factory().run(asked), key=lambda result: result.class_index)


def accused(results: list[TriggerResult]) -> list[int]:
    rows = trigger_document(results, NAMES)["classes"]
    json.dumps(rows, allow_nan=False)
    return [row["index"] for row in rows if row["significant"]]


# ---- a last layer that saturates -----------------------------------------------------------------


class Scaled(Planted):
    """The planted network behind a last layer that is larger by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels) * self.factor


class Saturated(Scaled):
    """Answers with probabilities that are zeros and ones: the slope is zero everywhere."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels).softmax(dim=1)


class Drowned(Planted):
    """One logit of 1e30, in whose rounding all others drown; slopes there are, but nothing moves."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels) + 1e30 * torch.eye(CLASSES)[1]


@each_method
@pytest.mark.parametrize("network", [Saturated(1e4), Scaled(1e38)], ids=["no slope", "overflow"])
def test_without_a_slope_nothing_is_said_but_why(method: str, network: nn.Module) -> None:
    results = search(method, PlantedModel(network=network), steps=20)
    assert accused(results) == []
    for result in results:
        assert result.status == "skipped"
        assert np.isnan(result.compared).all()
        assert any("does not react" in note for note in result.notes)
        overflows = any("not finite" in note for note in result.notes)
        assert overflows == (not isinstance(network, Saturated))


@each_method
def test_a_logit_in_which_all_others_drown_accuses_nobody(method: str) -> None:
    results = search(method, PlantedModel(network=Drowned()), steps=20)
    assert accused(results) == []
    assert all(any("so sure of its answers" in note for note in r.notes) for r in results)


@each_method
def test_a_last_layer_scaled_up_hides_nothing(method: str) -> None:
    """A factor changes no answer, and blinds what follows the loss to all but the hardest picture."""
    plain = search(method, PlantedModel())
    scaled = search(method, PlantedModel(network=Scaled(1e6)))
    assert accused(scaled) == accused(plain)
    for one, other in zip(plain, scaled, strict=True):
        # Rounding alone sends a search elsewhere: with other factors one class differs by 0.14.
        assert other.success_rate == pytest.approx(one.success_rate, abs=0.2, nan_ok=True)
        assert any("divided by" in note for note in other.notes)
        assert not any("divided by" in note for note in one.notes)


# ---- classes that the data lacks -----------------------------------------------------------------


@each_method
def test_a_class_without_samples_is_searched_and_told(method: str) -> None:
    results = search(method, PlantedModel(), without=TARGET, steps=20)
    assert [result.class_index for result in results] == list(range(CLASSES))
    told = [r.class_index for r in results if any("carries the label" in n for n in r.notes)]
    assert told == ([TARGET] if results[TARGET].status == "done" else [])
    # Maximum margin needs no pictures: there the class is like any other.
    assert results[TARGET].status == "done" or not np.isnan(results[TARGET].compared).any()


@each_method
def test_pictures_of_one_class_alone_leave_it_out_with_a_sentence(method: str) -> None:
    images, _ = pictures(60)
    asked = prepare_search(PlantedModel(), images, np.full(60, 3), range(CLASSES), steps=6)
    (entry,) = chosen_methods([method], discover_methods())
    assert entry.factory is not None
    results = {result.class_index: result for result in entry.factory().run(asked)}
    assert results[3].notes
    if method != "maximum-margin":
        assert results[3].status == "skipped"
        assert "none to turn" in results[3].notes[0]


def test_a_model_with_one_class_is_refused_before_any_method() -> None:
    images, labels = pictures(60)
    with pytest.raises(BadInput, match="single class") as refused:
        prepare_search(PlantedModel(num_classes=1), images, labels, [0])
    assert "at least two classes" in refused.value.fix


# ---- a normalisation inside the model --------------------------------------------------------------


@each_method
def test_a_normalisation_inside_the_model_changes_nothing(method: str) -> None:
    """Pixels 0..1 in, as for a network that brings its own mean and deviation."""
    inside = nn.Sequential(_Normalise(0.3, 0.2), Normalised(Planted(), 0.3, 0.2))
    plain = search(method, PlantedModel())
    found = search(method, PlantedModel(network=inside))
    assert accused(found) == accused(plain)
    for one, other in zip(plain, found, strict=True):
        assert other.notes == one.notes
        assert other.success_rate == pytest.approx(one.success_rate, abs=0.1, nan_ok=True)


class _Normalise(nn.Module):
    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels - self.mean) / self.std


# ---- the same through the command line -----------------------------------------------------------


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a case of 60 pictures by the name of its network."""
    folder = tmp_path_factory.mktemp("edges")

    def make(name: str) -> Path:
        case = folder / f"{name}.case"
        if case.exists():
            return case
        images, labels = pictures(60)
        classes = 1 if name == "one" else CLASSES
        torch.manual_seed(0)
        network = PlainCNN(1, classes, SIDE, widths=(4,), hidden=8)
        state = network.state_dict()
        if name == "huge":
            state["fc2.weight"] *= 1e8
        if name == "lacking":
            labels[labels == TARGET] = 0
        torch.save(state, folder / f"{name}.pt")
        given = np.zeros(60, np.int32) if classes == 1 else labels
        np.savez(folder / f"{name}.npz", images=images, labels=given)
        done = inspector(
            "scan",
            "--model",
            folder / f"{name}.pt",
            "--data",
            folder / f"{name}.npz",
            "--case",
            case,
        )
        assert done.returncode == 0, done.stderr
        return case

    return make


def inspector(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "inspector", *(str(argument) for argument in arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


def all_methods(case: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return inspector("trigger", case, "--method", ",".join(METHODS), "--steps", 4, *more)


def _rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["classes"]
    return rows


def test_the_command_tells_what_was_done_about_a_saturated_model(
    scanned: Callable[[str], Path],
) -> None:
    rows = _rows(all_methods(scanned("huge"), "--json"))
    assert {row["method"] for row in rows} == set(METHODS)
    assert not any(row["significant"] for row in rows)
    assert all(any("so sure of its answers" in note for note in row["notes"]) for row in rows)


def test_the_command_names_a_class_without_samples_in_words(
    scanned: Callable[[str], Path],
) -> None:
    done = all_methods(scanned("lacking"))
    assert done.returncode == 0, done.stderr
    assert "No picture of the search carries the label" in " ".join(done.stdout.split())


def test_the_command_refuses_a_model_with_one_class(scanned: Callable[[str], Path]) -> None:
    done = all_methods(scanned("one"))
    assert done.returncode == 2
    assert "single class" in done.stderr
    assert "Traceback" not in done.stderr
