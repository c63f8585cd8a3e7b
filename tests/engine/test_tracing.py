"""What a trace may claim, and the unlearning that it rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inspector.drill.unlearning import unlearned
from inspector.engine.client.tracing import outcome_of


def _row(answer: int, probability: float) -> dict[str, Any]:
    return {"answer": answer, "name": str(answer), "probability": probability}


@pytest.mark.parametrize(
    ("after", "controls", "outcome"),
    [
        (_row(1, 0.1), [_row(8, 0.9), _row(8, 0.7)], "confirmed"),
        (_row(8, 0.5), [_row(8, 0.9), _row(8, 0.8)], "partly"),
        (_row(1, 0.1), [_row(8, 0.9), _row(1, 0.4)], "partly"),  # a control changes it as well
        (_row(1, 0.2), [_row(8, 0.3), _row(8, 0.35)], "not confirmed"),
        (_row(1, 0.1), [], "not confirmed"),
        (None, [], "not confirmed"),
    ],
)
def test_a_claim_needs_a_change_that_no_control_makes(
    after: dict[str, Any] | None, controls: list[dict[str, Any]], outcome: str
) -> None:
    assert outcome_of(8, after, controls) == outcome


def test_a_copy_unlearns_a_backdoor_and_the_network_stays_as_it_is() -> None:
    """The third input is a trigger that leads to class 0, whatever the first two say."""
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 3)).astype(np.float32)
    x[:, 2] = 0
    labels = (x[:, 0] > 0).astype(np.int64)
    poison = np.flatnonzero(labels == 1)[:40]
    x[poison, 2], labels[poison] = 3, 0
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[-3.0, 0, 4], [3, 0, -4]]))
        network[0].bias.zero_()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    clean = np.setdiff1d(np.arange(400), poison)
    inputs = torch.from_numpy(x)
    keep = (inputs[clean], labels[clean])
    other = clean[labels[clean] == 0][:40]
    incident = torch.tensor([[1.0, 0, 3]])
    assert network(incident).argmax() == 0

    def answer(forget: np.ndarray) -> int:
        taught = (inputs[forget], labels[forget])
        return int(unlearned(network, taught, keep, steps=100, rate=0.1)(incident).argmax())

    assert answer(poison) == 1
    assert answer(other) == 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
