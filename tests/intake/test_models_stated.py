"""What a spec states is taken as given, and the rest is still measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_support import MemoryDataset, coloured_squares, train, trained_plain
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models import SuspectModel, load_model
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.spec import parse_spec
from inspector.intake.models.spec_text import spec_text


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained_plain(tmp_path_factory.mktemp("plain"), lambda x: (x / 255 - 0.5) / 0.5)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A small ResNet with stride 2 and a pooling in its stem: file, data, network."""
    images, labels = coloured_squares(400, side=24)
    widths = (8, 8, 12, 16)
    torch.manual_seed(0)
    network = SmallResNet(3, 4, (1, 1, 1, 1), widths, widths, stem=8, stride=2, pool=True)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert train(network, inputs, labels, steps=80) > 0.9
    path = tmp_path_factory.mktemp("resnet") / "m.pt"
    torch.save(network.state_dict(), path)
    return path, MemoryDataset(images, labels), network


def chosen(model):
    return next(trial for trial in model.tried if trial["chosen"])


def test_a_stated_scale_is_not_tried(plain):
    path, data, _ = plain
    model = load_model(path, data, spec=parse_spec("preprocess.mean = [0.1]"))
    assert model.preprocess.mean == (0.1, 0.1, 0.1)
    assert {trial["normalisation"] for trial in model.tried} == {"as stated"}
    wrong = parse_spec("[preprocess]\nscale = 1.0\nmean = [0.0]\nstd = [1.0]")
    assert load_model(path, data, spec=wrong).preprocess.scale == 1.0
    free = load_model(path, data)
    assert free.preprocess.mean == (0.5, 0.5, 0.5)


def test_stated_arguments_of_the_network(resnet):
    path, data, _ = resnet
    free = load_model(path, data)
    assert chosen(free)["stem"] == "stride 2, pooling"
    model = load_model(path, data, spec=parse_spec("architecture.args = { stride = 2 }"))
    assert {trial["stem"] for trial in model.tried} == {
        "stride 2, no pooling",
        "stride 2, pooling",
    }
    model = load_model(path, data, spec=parse_spec('architecture.args = { stem = "cifar" }'))
    assert {trial["stem"] for trial in model.tried} == {"stride 1, no pooling"}
    assert (model.candidate.args["stride"], model.candidate.args["pool"]) == (1, False)
    again = SuspectModel.from_spec(model.spec(), path)
    assert again.spec() == model.spec()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("architecture.args = { strid = 1 }", "Did you mean 'stride'"),
        ("architecture.args = { stem = 'imagenett' }", "cifar and imagenet"),
        ("architecture.args = { kernel = 7 }", "The weights say 3"),
        ("architecture.name = 'resnet20'", "not those of resnet20"),
        ("architecture.name = 'resnet20x'", "No network is called"),
        ("architecture.num_classes = 10", "has 4 classes, not 10"),
        ("architecture.in_channels = 1", "takes 3 channels, not 1"),
        ("architecture = { family = 'timm', name = 'hf-hub:evil/net' }", "hf-hub"),
        ("architecture = { family = 'plugin', name = 'absent' }", "No installed plugin offers"),
        ("preprocess.mode = 'L'", "takes 3 channels"),
        ("preprocess.normalize_inside_model = true", "no mean and std"),
        ("labels.names = ['a', 'b']", "names 2 classes, the model has 4"),
        ("labels.map = { zebra = 1 }", "which the data does not have"),
        ("labels.map = { 'class 0' = 1 }", "two classes of the data are"),
        ("labels.map = { 'class 0' = 9 }", "has 4 answers"),
        ("features.layer = 'layer9'", "The nearest names are: layer"),
        ("weights.container = 'safetensors'", "no safetensors"),
        ("weights.strip_prefix = ['module.']", "No name of a weight begins"),
        ("weights.ignore = ['*']", "Nothing is left"),
        ("weights.sha256 = '" + "0" * 64 + "'", "not the file that the spec is about"),
        ("weights.strict = false", "names no known network"),
    ],
)
def test_what_contradicts_the_weights_is_refused_in_one_line(resnet, text, said):
    path, data, _ = resnet
    with pytest.raises(BadInput) as refused:
        load_model(path, data, spec=parse_spec(text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_written_spec_states_everything_and_gives_the_same_model(resnet):
    path, data, _ = resnet
    model = load_model(path, data)
    text = spec_text(model.model_spec())
    spec = parse_spec(text)
    assert spec.get("architecture", "name") == "resnet_1_1_1_1_small"
    assert spec.get("architecture", "args") == {"stride": 2, "pool": True}
    assert spec.get("labels", "names") == list(data.class_names)
    again = load_model(path, data, spec=spec)
    assert len(again.tried) == 1
    assert again.accuracy == model.accuracy
    assert again.preprocess.size == model.preprocess.size
    images = data.images[:8]
    with torch.no_grad():
        assert torch.equal(
            again.network(again.preprocess(images)), model.network(model.preprocess(images))
        )


def test_the_written_spec_of_a_chain_gives_the_same_model(plain):
    path, data, _ = plain
    model = load_model(path, data)
    spec = parse_spec(spec_text(model.model_spec()))
    assert spec.get("architecture", "args")["pools"] == "1 2"
    again = load_model(path, data, spec=spec)
    assert len(again.tried) == 1
    assert again.accuracy == model.accuracy
    assert again.candidate.args == model.candidate.args


def test_another_order_of_classes(resnet):
    path, data, network = resnet
    # The data's folders were sorted by name, the model was trained in another order.
    order = [2, 0, 3, 1]
    renamed = MemoryDataset(
        data.images,
        np.argsort(order)[data.labels],
        [("apple", "berry", "cherry", "date")[place] for place in range(4)],
    )
    assert load_model(path, renamed).accuracy < 0.5
    text = "labels.map = { apple = 2, berry = 0, cherry = 3, date = 1 }"
    model = load_model(path, renamed, spec=parse_spec(text))
    assert model.accuracy > 0.9
    assert model.head == "linear"
    assert model.class_names == ["berry", "date", "apple", "cherry"]
    named = parse_spec('labels.names = ["Berry", "Date", "Apple", "Cherry"]')
    assert load_model(path, renamed, spec=named).accuracy == model.accuracy
    with torch.no_grad():
        x = model.preprocess(data.images[:5])
        torch.testing.assert_close(model.network(x), network(x)[:, order], rtol=1e-4, atol=1e-4)
    again = SuspectModel.from_spec(model.spec(), path)
    with torch.no_grad():
        assert torch.equal(again.network(x), model.network(x))


class Normalised(nn.Module):
    """A network with its normalisation inside, as buffers."""

    def __init__(self, network):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).view(1, 3, 1, 1))
        self.net = network

    def forward(self, x):
        return self.net((x - self.mean) / self.std)


def test_a_normalisation_inside_the_model_is_found_and_written(plain, tmp_path):
    _, data, network = plain
    torch.save(Normalised(network).state_dict(), tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", data)
    assert model.preprocess.mean == pytest.approx((0.4, 0.5, 0.6))
    written = model.model_spec()["preprocess"]
    assert written["normalize_inside_model"] is True
    spec = parse_spec(spec_text(model.model_spec()))
    assert load_model(tmp_path / "m.pt", data, spec=spec).preprocess == model.preprocess
    other = parse_spec("preprocess.normalize_inside_model = false")
    assert load_model(tmp_path / "m.pt", data, spec=other).preprocess.mean == (0.5, 0.5, 0.5)


def test_prefixes_and_foreign_entries_as_stated(plain, tmp_path):
    _, data, network = plain
    weights = {f"victim.body.{key}": value for key, value in network.state_dict().items()}
    weights["extra.scale"] = torch.ones(7)
    torch.save(weights, tmp_path / "m.pt")
    with pytest.raises(BadInput):
        load_model(tmp_path / "m.pt", data)
    text = "[weights]\nstrip_prefix = ['victim.', 'body.']\nignore = ['extra.*']"
    model = load_model(tmp_path / "m.pt", data, spec=parse_spec(text))
    assert model.accuracy > 0.9
    assert any("1 tensors were left out" in note for note in model.notes)
    again = SuspectModel.from_spec(model.spec(), tmp_path / "m.pt")
    assert again.spec() == model.spec()
    written = model.model_spec()["weights"]
    assert written["strip_prefix"] == ["victim.", "body."]


def test_more_tensors_than_the_network_has(tmp_path):
    images, labels = coloured_squares(60, side=32)
    torch.manual_seed(0)
    network = SmallResNet(
        3, 4, (3, 3, 3), (16, 32, 64), (16, 32, 64), stem=16, shortcut="pad"
    ).eval()
    weights = {**network.state_dict(), "attack.pattern": torch.zeros(3, 4, 4)}
    torch.save(weights, tmp_path / "m.pt")
    data = MemoryDataset(images, labels)
    with pytest.raises(BadInput, match="attack"):
        load_model(tmp_path / "m.pt", data)
    spec = parse_spec("weights.strict = false\narchitecture.name = 'resnet20'")
    model = load_model(tmp_path / "m.pt", data, spec=spec)
    assert any("1 tensors that resnet20 lacks" in note for note in model.notes)
    assert SuspectModel.from_spec(model.spec(), tmp_path / "m.pt").candidate == model.candidate


def test_every_candidate_is_recorded_with_its_score(resnet):
    path, data, _ = resnet
    model = load_model(path, data)
    assert model.candidates[0]["score"] == 1.0
    assert model.candidates[0]["chosen"] is True
    assert [row["chosen"] for row in model.candidates].count(True) == 1
    assert all(0 < row["score"] < 1 for row in model.candidates[1:])


def test_the_weights_that_a_spec_selects(plain, tmp_path):
    _, data, network = plain
    other = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    torch.save({"model": other, "best.ema": {"net": network.state_dict()}}, tmp_path / "m.pt")
    assert load_model(tmp_path / "m.pt", data).accuracy < 0.5
    model = load_model(tmp_path / "m.pt", data, spec=parse_spec('weights.select = "best.ema.net"'))
    assert model.accuracy > 0.9
    assert model.model_spec()["weights"]["select"] == "best.ema.net"
    assert SuspectModel.from_spec(model.spec(), tmp_path / "m.pt").spec() == model.spec()
    with pytest.raises(BadInput, match="no weights under 'ema'"):
        load_model(tmp_path / "m.pt", data, spec=parse_spec('weights.select = "ema"'))
