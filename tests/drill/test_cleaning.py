"""A check of the cleaning with a planted answer: the trigger falls with the poison, and only so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from inspector.api import Control
from inspector.case.cleaning_document import cleaning_outcome
from inspector.drill import Course, digits, train_network
from inspector.drill.cleaning import Trial, check_cleaning
from inspector.drill.planted_data import PlantedData
from inspector.errors import BadInput, Cancelled
from inspector.intake.models import SuspectModel, load_model
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.triggers import Stamp

TARGET = 3
Made = tuple[SuspectModel, NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_], Stamp]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A network that learnt a white corner, its data, which samples carry it, and the trigger."""
    images, labels = digits(16)
    images, labels = images[:600, ..., None].copy(), labels[:600].copy()
    planted = np.zeros(600, np.bool_)
    planted[np.flatnonzero(labels != TARGET)[:70]] = True
    images[planted, 12:16, 12:16] = 255
    labels[planted] = TARGET
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PlainCNN(1, 10, 16, widths=(8, 16), hidden=32)
    train_network(network, images, labels, course=Course(12))
    path: Path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(network.state_dict(), path)
    names = [str(digit) for digit in range(10)]
    mask = torch.zeros(1, 16, 16)
    mask[:, 12:16, 12:16] = 1
    suspect = load_model(path, PlantedData(images, labels, names))
    return suspect, images, labels, planted, Stamp(mask, torch.ones(1, 16, 16))


def _told(measured: dict[str, Any]) -> dict[str, Any]:
    return {
        model: {
            name: {"hits": hits, "trials": n, "rate": hits / n, "interval": [low, high]}
            for name, (hits, n, low, high) in measured[model].items()
        }
        for model in ("before", "cleaned", "kept")
    }


def test_without_the_planted_samples_the_trigger_falls_and_with_them_it_stays(made: Made) -> None:
    suspect, images, labels, planted, stamp = made
    weights = {name: value.clone() for name, value in suspect.network.state_dict().items()}
    said = _told(check_cleaning(suspect, images, labels, planted, TARGET, stamp, Trial(epochs=12)))
    assert said["before"]["success"]["rate"] >= 0.9
    assert said["kept"]["success"]["rate"] >= 0.9
    assert said["cleaned"]["success"]["rate"] <= 0.2
    assert said["cleaned"]["accuracy"]["rate"] >= 0.8
    assert cleaning_outcome(said) == "removed"
    after = suspect.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())


def test_without_as_many_random_samples_nothing_is_gained(made: Made) -> None:
    suspect, images, labels, planted, stamp = made
    removed = np.zeros(len(labels), np.bool_)
    removed[np.random.default_rng(0).permutation(np.flatnonzero(~planted))[:70]] = True
    said = _told(check_cleaning(suspect, images, labels, removed, TARGET, stamp, Trial(epochs=12)))
    assert said["cleaned"]["success"]["rate"] >= 0.9
    assert cleaning_outcome(said) == "stays"


def test_a_budget_is_measured_and_kept_to(made: Made) -> None:
    suspect, images, labels, planted, stamp = made
    said = check_cleaning(
        suspect, images, labels, planted, TARGET, stamp, Trial(epochs=4), only_budget=True
    )
    assert said.keys() == {"budget", "train", "removed", "held_out"}
    assert (said["removed"], said["train"] + said["held_out"]) == (70, 530)
    once = said["budget"]["seconds"] / 4
    assert once > 0
    assert said["budget"]["start"] == "scratch"
    assert said["budget"]["steps"] == 4 * -(-(said["train"] + 70) // 32)
    little = check_cleaning(
        suspect, images, labels, planted, TARGET, stamp, Trial(seconds=1e-6), only_budget=True
    )
    assert little["budget"]["epochs"] == 1


class _Own(nn.Module):
    """A layer of weights that nobody can draw anew."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.gain = network, nn.Parameter(torch.ones(1))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.network(values * self.gain)
        return answers


def test_a_network_that_cannot_begin_anew_starts_from_its_weights_and_says_why(made: Made) -> None:
    from dataclasses import replace

    suspect, images, labels, planted, stamp = made
    own = replace(suspect, network=_Own(suspect.network), head=f"network.{suspect.head}")
    said = check_cleaning(own, images, labels, planted, TARGET, stamp, Trial(), only_budget=True)
    assert said["budget"]["start"] == "weights"
    assert "gain" in said["budget"]["why"]
    with pytest.raises(BadInput, match="cannot be trained from scratch"):
        check_cleaning(own, images, labels, planted, TARGET, stamp, Trial("scratch"))


def test_it_stops_between_two_steps(made: Made) -> None:
    suspect, images, labels, planted, stamp = made
    steps = []

    class Stopped(Control):
        def check(self) -> None:
            if len(steps) >= 3:
                raise Cancelled()

        def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
            steps.append(done)

    with pytest.raises(Cancelled):
        check_cleaning(
            suspect, images, labels, planted, TARGET, stamp, Trial(epochs=50), control=Stopped()
        )
    assert len(steps) == 3


def test_nothing_removed_and_too_little_left_are_refused(made: Made) -> None:
    suspect, images, labels, planted, stamp = made
    with pytest.raises(BadInput, match="None of the samples"):
        check_cleaning(suspect, images, labels, planted & False, TARGET, stamp, Trial())
    with pytest.raises(BadInput, match="Too few samples stay"):
        check_cleaning(suspect, images, labels, planted | True, TARGET, stamp, Trial())


@pytest.mark.parametrize(
    ("before", "cleaned", "kept", "outcome"),
    [
        ((0.9, 0.99), (0.0, 0.1), (0.9, 1.0), "removed"),
        ((0.9, 0.99), (0.0, 0.1), (0.05, 0.2), "training"),
        ((0.9, 0.99), (0.85, 0.95), (0.9, 1.0), "stays"),
        ((0.1, 0.3), (0.0, 0.05), (0.9, 1.0), "idle"),
    ],
)
def test_what_is_shown_follows_from_the_intervals(
    before: tuple[float, float],
    cleaned: tuple[float, float],
    kept: tuple[float, float],
    outcome: str,
) -> None:
    ends = {"before": before, "cleaned": cleaned, "kept": kept}
    check = {name: {"success": {"interval": list(pair)}} for name, pair in ends.items()}
    assert cleaning_outcome(check) == outcome
