"""What a file says beside its weights is tried first, and never believed against the labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_support import MemoryDataset, coloured_squares, train
from torch import nn

from inspector.intake.models import load_model
from inspector.intake.models.candidates import builtin_candidates, shapes_of
from inspector.intake.models.hinted import hinted_labels, hinted_pins, hinted_scale
from inspector.intake.models.hints import Hints, LayerHint
from inspector.intake.models.spec import ModelSpec


class Net(nn.Module):
    """A chain with everything as layers: ELU, average pooling, no padding."""

    def __init__(self, activation=nn.ELU):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3), activation(), nn.Conv2d(8, 8, 3), activation(), nn.AvgPool2d(2)
        )
        self.top = nn.Linear(8 * 16, 4)

    def forward(self, x):
        return self.top(self.body(x).flatten(1))


@pytest.fixture(scope="module")
def trained():
    images, labels = coloured_squares(500)
    torch.manual_seed(0)
    network = Net()
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert train(network, inputs, labels, steps=80) > 0.95
    return network, MemoryDataset(images, labels)


def test_a_whole_module_shortens_the_search(trained, tmp_path):
    network, data = trained
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch.save(network, tmp_path / "whole.pt")
    plain = load_model(tmp_path / "weights.pt", data)
    whole = load_model(tmp_path / "whole.pt", data)
    assert whole.container == "pickled-module"
    assert whole.candidate.args["activation"] == "elu"
    assert whole.candidate.args["padding"] == "none"
    assert whole.candidate.args["pooling"] == "avg"
    assert whole.accuracy > 0.95
    assert len(whole.tried) < len(plain.tried)


def test_a_module_that_lies_is_not_believed(trained, tmp_path):
    network, data = trained
    liar = Net(nn.Tanh)
    liar.load_state_dict(network.state_dict())
    liar.body[0].padding = liar.body[2].padding = (1, 1)
    liar.body[4] = nn.MaxPool2d(4)
    torch.save(liar, tmp_path / "whole.pt")
    model = load_model(tmp_path / "whole.pt", data)
    assert model.accuracy > 0.95
    assert model.candidate.args["padding"] == "none"


def test_layers_become_arguments():
    layers = (
        LayerHint("features.0", "Conv2d", {"stride": (2, 2), "padding": 1, "kernel_size": 3}),
        LayerHint("features.1", "ELU", {}),
        LayerHint("features.3", "Conv2d", {"stride": 1, "padding": (1, 1), "kernel_size": (3, 3)}),
        LayerHint("features.4", "ELU", {}),
        LayerHint("features.5", "MaxPool2d", {"kernel_size": 2}),
    )
    network = nn.Sequential()
    network.add_module("features", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ELU(), nn.ELU()))
    network.features.append(nn.Conv2d(4, 8, 3))
    network.add_module("top", nn.Linear(8 * 64, 10))
    candidate = builtin_candidates(shapes_of(network))[0]
    pins = hinted_pins(Hints(layers=layers, size=(32, 32), crop=0.875), candidate)
    assert pins.args == {
        "activation": "elu",
        "strided": [0],
        "padding": "same",
        "pools": [1],
        "pooling": "max",
    }
    assert pins.preprocess == {"size": (32, 32), "fit": "crop", "side": 37}
    odd = Hints(layers=(LayerHint("features.0", "Conv2d", {"stride": "evil"}),))
    assert hinted_pins(odd, candidate).args == {}


def test_scales_and_labels_of_a_configuration():
    hints = Hints(mean=(0.5,), std=(0.25,), labels=("dog", "cat"))
    assert hinted_scale(hints, 3).mean == (0.5, 0.5, 0.5)
    assert hinted_scale(Hints(mean=(0.5, 0.5), std=(1.0, 1.0)), 3) is None
    assert hinted_labels(hints, ModelSpec(), ("cat", "dog"), 2).get("labels", "names") == [
        "dog",
        "cat",
    ]
    spec = ModelSpec()
    assert hinted_labels(hints, spec, ("ape", "dog"), 2) is spec
    assert hinted_labels(hints, spec, ("cat", "dog"), 3) is spec


def test_the_order_of_labels_in_a_configuration_is_measured(trained, tmp_path, monkeypatch):
    network, data = trained
    torch.save(network.state_dict(), tmp_path / "m.pt")
    names = [f"class {k}" for k in range(4)]

    def reading(said):
        from inspector.intake.models import reading as module

        read = module.read_weights

        def read_with_hints(*arguments, **more):
            weights = read(*arguments, **more)
            weights.hints = Hints(source="config.json", labels=tuple(said))
            return weights

        return read_with_hints

    order = [2, 0, 3, 1]
    renamed = MemoryDataset(data.images, np.argsort(order)[data.labels], names)
    monkeypatch.setattr(
        "inspector.intake.models.reading.read_weights",
        reading([names[order.index(answer)] for answer in range(4)]),
    )
    assert load_model(tmp_path / "m.pt", renamed).accuracy > 0.95
    # The same names in the same file, but the data's labels are the model's own: it is noticed.
    assert load_model(tmp_path / "m.pt", data).accuracy > 0.95
