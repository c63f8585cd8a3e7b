"""What weights do not show is found by measuring: planted scales, layouts, channel orders."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from models_support import MemoryDataset, coloured_squares, train, trained_plain
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput, Cancelled
from inspector.intake.models import SuspectModel, load_model
from inspector.intake.models.networks.resnet_small import SmallResNet

SCALES = {
    "0 to 1": lambda x: x / 255,
    "-1 to 1": lambda x: (x / 255 - 0.5) / 0.5,
    "0 to 255": lambda x: x,
}


@pytest.mark.parametrize("scale", SCALES)
def test_a_planted_scale_is_found(tmp_path, scale):
    path, data, original = trained_plain(tmp_path, SCALES[scale])
    model = load_model(path, data)
    chosen = [trial for trial in model.tried if trial["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["normalisation"] == scale
    assert model.accuracy is not None
    assert model.accuracy > 0.95
    assert (model.num_classes, model.in_channels) == (4, 3)
    assert model.doubt == ""
    inputs = SCALES[scale](torch.from_numpy(data.images[:20]).permute(0, 3, 1, 2).float())
    with torch.no_grad():
        answers = model.network(model.preprocess(data.images[:20]))
        torch.testing.assert_close(answers, original(inputs), rtol=1e-3, atol=1e-3)


def test_what_was_tried_is_recorded(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    model = load_model(path, data)
    assert len(model.tried) > 8
    for trial in model.tried:
        assert 0 <= trial["accuracy"] <= 1
        assert 20 <= trial["sample"] <= 500
    json.dumps(model.spec(), allow_nan=False)
    best = max(trial["accuracy"] for trial in model.tried)
    chosen = next(trial for trial in model.tried if trial["chosen"])
    assert chosen["accuracy"] >= best - 0.05


def test_grey_data(tmp_path):
    path, data, _ = trained_plain(tmp_path, channels=1)
    model = load_model(path, data)
    assert model.preprocess.mode == "L"
    assert model.accuracy > 0.9


def test_swapped_channels_are_found(tmp_path):
    path, data, _ = trained_plain(tmp_path, lambda x: x.flip(1) / 255)
    model = load_model(path, data)
    assert model.preprocess.mode == "BGR"
    assert model.accuracy > 0.95
    path, data, _ = trained_plain(tmp_path)
    assert load_model(path, data).preprocess.mode == "RGB"


class Elu(nn.Module):
    """Not padded, one pooling, exponential activation: nothing that the weights show."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.fc1, self.fc2 = nn.Linear(8 * 16, 16), nn.Linear(16, 4)

    def forward(self, x):
        elu = nn.functional.elu
        x = nn.functional.avg_pool2d(elu(self.conv2(elu(self.conv1(x)))), 2)
        return self.fc2(elu(self.fc1(x.flatten(1))))


def test_activation_and_pooling_are_found(tmp_path):
    images, labels = coloured_squares(500)
    torch.manual_seed(0)
    network = Elu()
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert train(network, inputs, labels, steps=80) > 0.95
    torch.save(network.state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", MemoryDataset(images, labels))
    with torch.no_grad():
        agree = model.network(model.preprocess(images)).argmax(1) == network(inputs).argmax(1)
    assert agree.float().mean() > 0.98
    assert "elu" in model.architecture


@pytest.mark.parametrize(("stride", "pool"), [(1, False), (2, True)])
def test_the_stem_of_a_resnet_is_found(tmp_path, stride, pool):
    images, labels = coloured_squares(400, side=24)
    widths = (8, 8, 12, 16)
    torch.manual_seed(0)
    network = SmallResNet(
        3, 4, (1, 1, 1, 1), widths, widths, stem=8, stride=stride, pool=pool, kernel=3
    )
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert train(network, inputs, labels, steps=80) > 0.9
    torch.save({"state_dict": network.state_dict()}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", MemoryDataset(images, labels))
    chosen = next(trial for trial in model.tried if trial["chosen"])
    wanted = "stride 2, pooling" if pool else "stride 1, no pooling"
    assert chosen["stem"] == wanted
    assert model.accuracy > 0.9
    again = SuspectModel.from_spec(model.spec(), tmp_path / "m.pt")
    assert again.spec() == model.spec()


def test_layers_and_head_can_be_taken(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    model = load_model(path, data)
    assert model.head == "fc2"
    assert model.layers.index("conv1") < model.layers.index("conv2") < model.layers.index("fc1")
    seen = {}
    for name in model.layers:
        module = model.network.get_submodule(name)
        module.register_forward_hook(lambda _, __, out, name=name: seen.setdefault(name, out))
    model.network(model.preprocess(data.images[:3]))
    assert list(seen) == model.layers
    assert all(len(output) == 3 for output in seen.values())


def test_round_trip_through_the_description(tmp_path):
    path, data, _ = trained_plain(tmp_path, SCALES["-1 to 1"])
    model = load_model(path, data)
    spec = json.loads(json.dumps(model.spec()))
    again = SuspectModel.from_spec(spec, path)
    images = data.images[:8]
    with torch.no_grad():
        assert torch.equal(
            again.network(again.preprocess(images)), model.network(model.preprocess(images))
        )
    assert again.spec() == model.spec()
    assert again.accuracy == model.accuracy


def test_another_file_under_the_same_name_is_noticed(tmp_path):
    path, data, network = trained_plain(tmp_path)
    spec = load_model(path, data).spec()
    with torch.no_grad():
        network.get_submodule("fc2").bias += 1
    torch.save(network.state_dict(), path)
    with pytest.raises(BadInput, match="not the file that was examined before"):
        SuspectModel.from_spec(spec, path)


@pytest.mark.parametrize(
    "change",
    [
        {"network": "shell"},
        {"args": {"num_classes": 4}},
        {"args": 5},
        {"network": "resnet18"},
        {"family": None},
        {"preprocess": {}},
        {"preprocess": {"mode": "RGB", "size": [5, 5], "mean": [0, 0, 0], "std": [1, 1, 1]}},
    ],
)
def test_a_damaged_description_is_one_clear_line(tmp_path, change):
    path, data, _ = trained_plain(tmp_path)
    spec = load_model(path, data).spec() | change
    with pytest.raises(BadInput) as refused:
        SuspectModel.from_spec(spec, path)
    assert "\n" not in str(refused.value)


def test_more_classes_in_the_data_than_in_the_network(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    labels = data.labels.copy()
    labels[3] = 7
    named = MemoryDataset(data.images, labels, [f"sign {k}" for k in range(8)])
    with pytest.raises(BadInput) as refused:
        load_model(path, named)
    assert str(refused.value) == (
        "The data has a class 7 ('sign 7'), the network knows 4. Its answers are numbered 0 to 3."
        " Check that model and data belong together."
    )
    with pytest.raises(BadInput, match="has 4 classes, not 10"):
        load_model(path, data, classes=10)


def test_a_model_that_does_not_know_the_data_is_doubted(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    shuffled = MemoryDataset(data.images, np.random.default_rng(0).permutation(data.labels))
    model = load_model(path, shuffled)
    assert "guessing gives" in model.doubt
    assert "Likely causes" in model.doubt


def test_unreadable_images_are_passed_over(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    holes = MemoryDataset(data.images, data.labels, unreadable=range(0, 400, 3))
    model = load_model(path, holes)
    assert model.accuracy > 0.95
    assert model.accuracy_sample == 400 - len(range(0, 400, 3))
    with pytest.raises(BadInput, match="None of 400 randomly chosen images can be read"):
        load_model(path, MemoryDataset(data.images, data.labels, unreadable=range(400)))


def test_data_without_labels(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    model = load_model(path, MemoryDataset(data.images, np.full(400, -1)))
    assert model.accuracy is None
    assert model.doubt == ""
    assert model.preprocess.std == (1.0, 1.0, 1.0)


def test_images_of_many_sizes(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    mixed = [
        np.kron(image, np.ones((1 + k % 3, 1 + k % 3, 1), np.uint8))
        for k, image in enumerate(data.images)
    ]
    model = load_model(path, MemoryDataset(mixed, data.labels))
    assert model.accuracy > 0.9


@pytest.mark.parametrize("n", [1, 2, 5])
def test_hardly_any_samples(tmp_path, n):
    path, data, _ = trained_plain(tmp_path)
    model = load_model(path, MemoryDataset(data.images[:n], data.labels[:n]))
    assert model.accuracy_sample == n


def test_no_samples(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    with pytest.raises(BadInput, match="no samples"):
        load_model(path, MemoryDataset(data.images[:0], data.labels[:0]))


def test_the_same_seed_chooses_the_same(tmp_path):
    path, data, _ = trained_plain(tmp_path)
    assert load_model(path, data, seed=3).spec() == load_model(path, data, seed=3).spec()


def test_a_normalisation_inside_the_network_is_not_guessed(tmp_path):
    mean, std = (0.3, 0.2, 0.4), (0.3, 0.3, 0.2)
    columns = [torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std)]
    path, data, network = trained_plain(tmp_path, lambda x: (x / 255 - columns[0]) / columns[1])
    wrapped = {"0.mean": columns[0], "0.std": columns[1]}
    wrapped |= {f"1.{key}": value for key, value in network.state_dict().items()}
    torch.save(wrapped, path)
    model = load_model(path, data)
    assert model.preprocess.mean == pytest.approx(mean)
    assert model.preprocess.std == pytest.approx(std)
    assert model.accuracy > 0.95


def test_cancelling_stops_it(tmp_path):
    path, data, _ = trained_plain(tmp_path)

    class Stop(Control):
        calls = 0

        def check(self):
            self.calls += 1
            if self.calls > 20:
                raise Cancelled

    with pytest.raises(Cancelled):
        load_model(path, data, control=Stop())


def test_progress_never_falls(tmp_path):
    path, data, _ = trained_plain(tmp_path)

    seen = []

    class Record(Control):
        def progress(self, stage, done, total, text=""):
            assert stage == "model"
            seen.append(done)

    load_model(path, data, control=Record())
    assert seen == sorted(seen)
    assert len(seen) > 10
