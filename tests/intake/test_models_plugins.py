"""Networks that only a plugin can build: named in a spec, found by their shapes, recorded."""

from __future__ import annotations

import hashlib
from importlib.metadata import EntryPoint, EntryPoints

import pytest
import torch
from models_support import MemoryDataset, coloured_squares, train

from inspector.detectors import discover
from inspector.dropins import execute
from inspector.errors import BadInput
from inspector.intake.models import SuspectModel, load_model
from inspector.intake.models.plugin_architectures import architectures, find_architecture
from inspector.intake.models.spec import parse_spec
from inspector.intake.models.spec_text import spec_text
from inspector.places import bundled_plugins

MINE = """
import torch
from torch import nn


class Split(nn.Module):
    '''Two branches over the picture: no chain, and no network that anybody lists.'''

    def __init__(self, num_classes, in_channels, width=6, ending="logits"):
        super().__init__()
        self.left = nn.Conv2d(in_channels, width, 3, 2, 1)
        self.right = nn.Conv2d(in_channels, width, 5, 2, 2)
        self.top = nn.Linear(2 * width * 36, num_classes)
        self.ending = ending

    def forward(self, x):
        x = torch.cat([self.left(x), self.right(x)], 1).relu().flatten(1)
        x = self.top(x)
        return {"logits": x, "softmax": x.softmax(1), "log": x.log_softmax(1)}[self.ending]


ARCHITECTURES = {"split": Split}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The analyst's plugin folder, with one network in it."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    monkeypatch.setenv("INSPECTOR_PLUGINS", str(folder))
    return folder


@pytest.fixture
def trained(folder, tmp_path):
    """A trained network of the plugin: file, data, network."""
    images, labels = coloured_squares(300)
    builder = find_architecture("split").builder
    torch.manual_seed(0)
    network = builder(4, 3, width=5)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert train(network, inputs, labels) > 0.95
    weights = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save(weights, tmp_path / "m.pt")
    return tmp_path / "m.pt", MemoryDataset(images, labels), network


SPEC = 'architecture = { family = "plugin", name = "split", args = { width = 5 } }'


def test_nothing_recognises_it_and_the_message_says_what_to_do(trained):
    path, data, _ = trained
    with pytest.raises(BadInput, match="no network that Inspector knows") as refused:
        load_model(path, data)
    assert 'family = "plugin"' in refused.value.fix
    assert "--spec" in refused.value.fix


def test_a_spec_names_it(trained, folder):
    path, data, network = trained
    model = load_model(path, data, spec=parse_spec(SPEC))
    assert model.accuracy > 0.9
    assert model.family == "plugin"
    assert model.head == "top"
    assert model.candidates[0] == {
        "family": "plugin",
        "name": "split",
        "score": 1.0,
        "differs": [],
        "chosen": True,
    }
    digest = hashlib.sha256((folder / "mine.py").read_bytes()).hexdigest()
    assert model.plugin == {
        "id": "split",
        "file": str(folder / "mine.py"),
        "origin": "user folder",
        "sha256": digest,
    }
    again = load_model(path, data, spec=parse_spec(spec_text(model.model_spec())))
    assert again.accuracy == model.accuracy
    with torch.no_grad():
        x = model.preprocess(data.images[:8])
        torch.testing.assert_close(model.network(x), network(x), rtol=1e-4, atol=1e-4)
    assert SuspectModel.from_spec(model.spec(), path).spec() == model.spec()
    assert load_model(path, data, arch="split", spec=parse_spec(SPEC)).accuracy == model.accuracy


def test_a_changed_plugin_is_noticed(trained, folder):
    path, data, _ = trained
    recorded = load_model(path, data, spec=parse_spec(SPEC)).spec()
    (folder / "mine.py").write_text(MINE + "\n# changed\n")
    with pytest.raises(BadInput, match="has changed since"):
        SuspectModel.from_spec(recorded, path)
    (folder / "mine.py").unlink()
    with pytest.raises(BadInput, match="No installed plugin offers"):
        SuspectModel.from_spec(recorded, path)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("softmax", "probabilities"), ("log", "log-probabilities"), ("logits", "logits")],
)
def test_probabilities_become_logits(trained, ending, kind):
    path, data, network = trained
    text = SPEC.replace("width = 5", f'width = 5, ending = "{ending}"')
    model = load_model(path, data, spec=parse_spec(text))
    assert model.answers.kind == kind
    assert model.head == "top"
    assert model.model_spec()["output"]["kind"] == kind
    with torch.no_grad():
        x = model.preprocess(data.images[:8])
        torch.testing.assert_close(
            model.network(x).softmax(1), network(x).softmax(1), rtol=1e-3, atol=1e-5
        )
    if kind == "probabilities":
        assert model.network(x).min() < 0
    again = SuspectModel.from_spec(model.spec(), path)
    with torch.no_grad():
        assert torch.equal(again.network(x), model.network(x))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SPEC.replace("width", "widht"), "Did you mean 'width'"),
        (SPEC.replace("width = 5", "width = 7"), "left.weight is 5×3×3×3, not 7×3×3×3"),
        (SPEC.replace("width = 5", "width = -1"), "could not build its network"),
        (SPEC.replace('"split"', '"splitt"'), "Installed are: split"),
        (SPEC.replace('"split"', '"/tmp/evil.py"'), "No installed plugin offers"),
        (SPEC + "\noutput.kind = 'softmax'", "one of logits, probabilities"),
    ],
)
def test_what_does_not_fit_is_said(trained, text, said):
    path, data, _ = trained
    with pytest.raises(BadInput) as refused:
        load_model(path, data, spec=parse_spec(text))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ARCHITECTURES = {'split': 5}", "is a int, no builder"),
        ("ARCHITECTURES = ['split']\nsplit = 1", "must be a dict"),
        ("ARCHITECTURES = {}\nimport no_such_module", "no_such_module"),
        ("ARCHITECTURES = {}\nraise SystemExit(3)", "SystemExit"),
        ("ARCHITECTURES = {", "SyntaxError"),
    ],
)
def test_a_broken_plugin_stops_nothing(folder, source, said):
    (folder / "mine.py").write_text(source)
    entry = next(one for one in architectures() if one.file == folder / "mine.py")
    assert entry.builder is None
    assert said in entry.cause
    assert "\n" not in entry.cause
    assert any(one.id == "resnet9" and one.builder for one in architectures())


def test_a_builder_that_gives_no_network(folder, trained):
    path, data, _ = trained
    (folder / "mine.py").write_text("ARCHITECTURES = {'split': lambda **given: 'a network'}")
    with pytest.raises(BadInput, match="built a str, not a network"):
        load_model(path, data, spec=parse_spec(SPEC))


def test_a_file_with_networks_is_no_broken_detector(folder):
    assert all(entry.status == "ready" for entry in discover([bundled_plugins(), folder]))


def test_installed_packages_offer_networks(monkeypatch, folder):
    point = EntryPoint("of-a-package", "models_support:train", "inspector.architectures")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints([point]))
    entry = find_architecture("of-a-package")
    assert entry.builder is train
    assert entry.origin.startswith("package")


def test_the_example_is_found_by_its_shapes_and_beats_a_plain_chain(tmp_path):
    module, _ = execute(bundled_plugins() / "resnet9.py")
    images, labels = coloured_squares(250, side=16)
    torch.manual_seed(3)
    network = module.ResNet9(4, width=4)
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert train(network, inputs, labels, steps=60) > 0.9
    torch.save(network.state_dict(), tmp_path / "m.pt")
    data = MemoryDataset(images, labels)
    with pytest.raises(BadInput, match="needs|do not fit"):
        load_model(tmp_path / "m.pt", data, arch="resnet9")
    text = 'architecture = { name = "resnet9", args = { width = 4 } }'
    model = load_model(tmp_path / "m.pt", data, spec=parse_spec(text))
    assert model.family == "plugin"
    assert model.accuracy > 0.9
    chain = parse_spec('architecture.family = "builtin"')
    assert load_model(tmp_path / "m.pt", data, spec=chain).accuracy < model.accuracy
