"""Training is seeded, can be stopped, and follows the one cycle that it says it follows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from inspector.api import Control
from inspector.drill import Course, copies, train_network
from inspector.drill.training import OneCycle
from inspector.errors import Cancelled


def _network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    images = rng.integers(0, 60, (120, 4, 4), dtype=np.uint8)
    images[np.arange(120), labels] += 150
    return images, labels


def test_a_network_learns_and_is_handed_back_frozen() -> None:
    images, labels = _pictures()
    network = train_network(_network(), images, labels, course=Course(10, 16, 0.05))
    with torch.no_grad():
        answers = network(torch.from_numpy(images)[:, None].float() / 255).argmax(1).numpy()
    assert (answers == labels).mean() > 0.95
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_same_seed_same_weights() -> None:
    images, labels = _pictures()
    first, again, other = (
        train_network(_network(), images, labels, course=Course(2, 16), seed=seed)[1].weight
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_stops_when_told() -> None:
    class Stop(Control):
        steps = 0

        def check(self) -> None:
            self.steps += 1
            if self.steps == 4:
                raise Cancelled()

    images, labels = _pictures()
    with pytest.raises(Cancelled):
        train_network(_network(), images, labels, control=Stop())


def test_the_cycle_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    cycle, places = OneCycle([weight], 0.01, 100), [0.0]
    for _ in range(100):
        cycle.step([torch.full((1,), 7.0, dtype=torch.float64)])
        places.append(weight.item())
    # Down a constant slope Adam walks by its rate, whatever the momentum.
    rates = -np.diff(places)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert int(rates.argmax()) == 29
    assert rates[29] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.01 / 250_000, rel=1e-3)
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[29:]) < 0).all()


def test_a_budget_is_the_mean_of_steps_that_others_slow_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Disturbed(nn.Module):
        """Every third step takes ten times as long, as where others compute beside it."""

        def __init__(self) -> None:
            super().__init__()
            self.head, self.made = nn.Linear(4, 3), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.made += 1
            clock.append(clock[-1] + (0.05 if self.made % 3 == 0 else 0.005))
            answers: torch.Tensor = self.head(x.flatten(1))
            return answers

    clock = [0.0]
    monkeypatch.setattr(copies, "copy", SimpleNamespace(deepcopy=lambda network: network))
    monkeypatch.setattr(copies, "time", SimpleNamespace(perf_counter=lambda: clock[-1]))
    model = SimpleNamespace(network=Disturbed(), preprocess=SimpleNamespace(normalise=lambda x: x))
    images, labels = np.zeros((320, 2, 2, 1), np.uint8), np.arange(320) % 3
    seconds = copies.estimate_seconds(model, images, labels, 32, 10)  # type: ignore[arg-type]
    assert seconds == pytest.approx(100 * 0.02, rel=0.1)
