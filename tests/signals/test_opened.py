"""Looking inside the network: right numbers, in the order of computing, and nothing is left over."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from inspector.intake.models.preprocess import Preprocess
from inspector.signals.opened import OpenedNetwork


class Mixed(nn.Module):
    """Convolution, group and layer norm, and a batch norm that is written first but runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.late = nn.BatchNorm1d(6)
        self.conv = nn.Conv2d(1, 4, 3)
        self.group = nn.GroupNorm(2, 4)
        self.act = nn.ReLU(inplace=True)
        self.line = nn.Linear(4, 6)
        self.layer = nn.LayerNorm(6)
        self.head = nn.Linear(6, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens are places of the feature map."""
        tokens = self.act(self.group(self.conv(x))).flatten(2).transpose(1, 2)
        return self.head(self.late(self.layer(self.line(tokens)).mean(1)))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return Mixed().eval().requires_grad_(False)


@pytest.fixture
def opened(network: nn.Module) -> OpenedNetwork:
    return OpenedNetwork(network, Preprocess("L", (6, 6), (0.0,), (1.0,)))


@pytest.fixture
def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (70, 6, 6, 1), dtype=np.uint8))


def test_modules_come_in_the_order_of_computing_without_unused_ones(opened: OpenedNetwork) -> None:
    found = [(module.name, module.kind, module.width) for module in opened.modules]
    assert found == [
        ("conv", "convolution", 4),
        ("group", "norm", 4),
        ("line", "linear", 6),
        ("layer", "norm", 6),
        ("late", "norm", 6),
        ("head", "linear", 3),
    ]


def test_outputs_are_those_of_the_module_before_anything_changes_them_in_place(
    network: nn.Module, opened: OpenedNetwork, pictures: list[np.ndarray]
) -> None:
    kept = opened.outputs(pictures, ["group", "line", "late"], lambda name, values: values.copy())
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    group = network.group(network.conv(x))
    np.testing.assert_allclose(kept["group"], group.flatten(2), atol=1e-5)
    assert kept["group"].min() < 0  # the ReLU behind it works in place
    tokens = network.line(group.relu().flatten(2).transpose(1, 2))
    np.testing.assert_allclose(kept["line"], tokens.transpose(1, 2), atol=1e-5)
    assert kept["late"].shape == (70, 6, 1)


def test_gradients_are_those_of_the_logit_asked_for(
    network: nn.Module, opened: OpenedNetwork, pictures: list[np.ndarray]
) -> None:
    targets = np.arange(70) % 3
    found = opened.gradients(pictures, targets, ["group", "late"])
    assert found["group"].shape == (70, 4)
    np.testing.assert_allclose(found["late"], network.head.weight[targets], atol=1e-6)
    x = torch.from_numpy(pictures[4][None]).permute(0, 3, 1, 2).float() / 255
    value = network.group(network.conv(x))
    moved = value.clone().requires_grad_(True)
    tokens = network.line(moved.relu().flatten(2).transpose(1, 2))
    answer = network.head(network.late(network.layer(tokens).mean(1)))[0, targets[4]]
    (expected,) = torch.autograd.grad(answer, moved)
    np.testing.assert_allclose(found["group"][4], expected.mean((2, 3))[0], atol=1e-6)


def test_amplified_copies_leave_the_weights_as_they_were(
    network: nn.Module, opened: OpenedNetwork, pictures: list[np.ndarray]
) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plain = opened.scaled(pictures, ["head"], 1.0)
    np.testing.assert_allclose(opened.scaled(pictures, ["head"], 2.5), 2.5 * plain, rtol=1e-4)
    with pytest.raises(AttributeError):
        opened.scaled([None], ["conv"], 3.0)  # type: ignore[list-item]
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(module._forward_hooks for module in network.modules())


def test_pixels_are_what_the_network_sees_of_pictures_of_any_size(network: nn.Module) -> None:
    random = np.random.default_rng(1)
    mixed = [
        random.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((9, 7, 3), (6, 6, 3), (20, 30, 3))
    ]
    preprocess = Preprocess("L", (6, 6), (0.3,), (0.5,), fit="crop", side=8)
    seen = OpenedNetwork(network, preprocess).pixels(mixed)
    assert seen.shape == (3, 1, 6, 6)
    assert seen.min() >= 0
    assert seen.max() <= 1
    given = preprocess.normalise(torch.from_numpy(seen))
    torch.testing.assert_close(given, preprocess(mixed), atol=2e-2, rtol=0)


def test_pixel_gradients_are_those_of_the_function_asked_about(
    network: nn.Module, pictures: list[np.ndarray]
) -> None:
    preprocess = Preprocess("L", (6, 6), (0.3,), (0.5,))
    opened = OpenedNetwork(network, preprocess)
    pixels = opened.pixels(pictures[:5])
    logits, found = opened.pixel_gradients(pixels, lambda values: 2 * values)
    x = torch.from_numpy(pixels).requires_grad_(True)
    answer = network(preprocess.normalise(x))
    (expected,) = torch.autograd.grad((answer**2).sum(), x)
    np.testing.assert_allclose(logits, answer.detach(), atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(value.grad is None for value in network.parameters())
