"""Further layers in the one pass: the right ones, their means over places, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.tracing import trace
from inspector.signals import compute_signals
from inspector.signals.hooks import ActivationTap
from inspector.signals.layers import choose_layers


def chosen(network: nn.Module, head: str, channels: int, side: int, **more: object) -> tuple:
    network.eval()
    names = trace(network, channels, (side, side)).layers
    x = torch.rand(4, channels, side, side, generator=torch.Generator().manual_seed(0))
    with ActivationTap(network, head) as tap, torch.inference_mode():
        activations = tap.run(network, x)[1]
    return choose_layers(network, names, x, activations, **more)


def test_ends_of_stages_are_chosen_and_not_what_the_head_sees_anyway() -> None:
    torch.manual_seed(0)
    assert chosen(PlainCNN(1, 10, 28), "fc2", 1, 28) == ("relu2", "maxpool2")
    blocks = SmallResNet(3, 10, blocks=(1, 1, 1), middle=(8, 16, 32), out=(8, 16, 32), stem=8)
    # The mean over places of the last stage is the input of the head.
    assert chosen(blocks, "linear", 3, 32) == ("layer1", "layer2")


def test_names_are_followed_and_checked() -> None:
    network = PlainCNN(1, 10, 28)
    assert chosen(network, "fc2", 1, 28, asked=("maxpool2", "relu1")) == ("relu1", "maxpool2")
    assert chosen(network, "fc2", 1, 28, asked=()) == ()
    with pytest.raises(BadInput, match="cannot be swept over"):
        chosen(network, "fc2", 1, 28, asked=("nowhere",))


def test_they_hold_means_over_places_for_every_batch_and_chunk(
    make_model, make_data, tmp_path
) -> None:
    model, data = make_model(), make_data()
    net = model.network
    model.layers = list(trace(net, 1, (8, 8)).layers)
    found = compute_signals(model, data, tmp_path / "a", layers=("conv1", "conv2"))
    assert found.layers == ("conv1", "conv2")
    with torch.no_grad():
        x = model.preprocess(np.stack(data.images))
        first = net.conv1(x)
        second = net.conv2(torch.max_pool2d(torch.relu(net.norm(first)), 2))
    for place, expected in enumerate((first, second)):
        values = found.get(f"layer-{place}")
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected.mean((2, 3)).numpy(), atol=1e-5)
    other = compute_signals(model, data, tmp_path / "b", layers=("conv1", "conv2"), batch=7)
    np.testing.assert_allclose(other.get("layer-1"), found.get("layer-1"), atol=1e-5)
    plain = compute_signals(model, data, tmp_path / "c")
    np.testing.assert_array_equal(plain.get("logits"), found.get("logits"))
    assert not [name for name in plain.arrays if name.startswith("layer-")]


def test_a_map_that_is_changed_in_place_afterwards_counts_as_it_was() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 2)
    )
    x = torch.randn(3, 1, 2, 2)
    with torch.inference_mode():
        before = network[0](x).mean((2, 3))
        with ActivationTap(network, "3", further=("0",)) as tap:
            _, _, (found,) = tap.run(network, x)
    torch.testing.assert_close(found, before)
