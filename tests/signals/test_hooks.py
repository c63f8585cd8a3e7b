"""Activations of any layer become one vector for each sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from inspector.errors import BadInput
from inspector.signals import compute_signals
from inspector.signals.hooks import ActivationTap


class Shapes(nn.Module):
    """Layers whose outputs have every shape that networks use."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Identity()
        self.swin = nn.Identity()
        self.tokens = nn.Identity()
        self.pair = nn.Identity()
        self.unused = nn.Identity()
        self.flat = nn.Identity()
        self.fc2 = nn.Linear(3, 4)

    def forward(self, x):
        x = self.maps(x)
        self.swin(x.permute(0, 2, 3, 1))
        self.tokens(x.flatten(2).transpose(1, 2))
        self.pair((x.flatten(1), None))
        self.flat(x.flatten(0))
        return self.fc2(x.mean((2, 3)))


X = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8)


@pytest.mark.parametrize("layer", ["maps", "swin", "tokens", "fc2", None])
def test_feature_maps_and_tokens_are_averaged_over_places(layer):
    network = Shapes().eval()
    with ActivationTap(network, "fc2", layer) as tap:
        answer, found, _ = tap.run(network, X)
    torch.testing.assert_close(found, X.mean((2, 3)))
    assert answer.shape == (2, 4)


def test_the_first_tensor_of_several_is_taken():
    network = Shapes().eval()
    with ActivationTap(network, "fc2", "pair") as tap:
        torch.testing.assert_close(tap.run(network, X)[1], X.flatten(1))


@pytest.mark.parametrize("layer", ["unused", "flat"])
def test_a_layer_without_a_row_per_sample_is_refused(layer):
    network = Shapes().eval()
    with ActivationTap(network, "fc2", layer) as tap, pytest.raises(BadInput, match="yields no"):
        tap.run(network, X)


def test_an_unknown_layer_is_refused_with_the_nearest_names():
    with pytest.raises(BadInput, match="nearest names are: tokens"):
        ActivationTap(Shapes(), "fc2", "token")


def test_a_layer_that_runs_twice_is_taken_at_its_last_call(make_model, make_data, tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()
            self.fc1, self.fc2 = nn.Linear(64, 5), nn.Linear(5, 4)

        def forward(self, x):
            return self.fc2(self.relu(self.fc1(self.relu(x.flatten(1)))))

    model, data = make_model(Twice()), make_data(6)
    named = compute_signals(model, data, tmp_path / "a", layer="relu").get("activations")
    usual = compute_signals(model, data, tmp_path / "b").get("activations")
    np.testing.assert_array_equal(named, usual)


def test_a_network_that_ends_in_a_convolution_gives_what_goes_into_it(
    make_model, make_data, tmp_path
):
    class Squeeze(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Conv2d(1, 6, 3)
            self.classifier = nn.Conv2d(6, 4, 1)
            self.pool = nn.AdaptiveAvgPool2d(1)

        def forward(self, x):
            return self.pool(self.classifier(self.features(x).relu())).flatten(1)

    model, data = make_model(Squeeze(), head=""), make_data(6)
    found = compute_signals(model, data, tmp_path / "s").get("activations")
    x = model.preprocess(np.stack(data.images))
    with torch.no_grad():
        expected = model.network.features(x).relu().mean((2, 3))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_named_layer_is_pooled_in_the_pass(make_model, make_data, tmp_path):
    model, data = make_model(), make_data(6)
    found = compute_signals(model, data, tmp_path / "s", layer="conv1").get("activations")
    with torch.no_grad():
        expected = model.network.conv1(model.preprocess(np.stack(data.images))).mean((2, 3))
    np.testing.assert_allclose(found, expected, atol=1e-5)
