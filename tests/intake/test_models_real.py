"""Networks that others trained, on real images: the accuracy known for them comes out."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import torch
from models_support import MemoryDataset
from PIL import Image
from torch import nn

from inspector.intake.models import load_model
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.spec import parse_spec
from inspector.intake.models.spec_text import spec_text

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cifar(real_data):
    """The 10,000 test images of CIFAR-10, as JPEG files of quality 75."""
    images, names = [], []
    # The archive is sorted by class: a part of it would be one class.
    with tarfile.open(real_data / "cifar10" / "cifar10_all_jpeg.tar.xz") as archive:
        for member in archive:
            if member.isfile() and member.name.startswith("test/"):
                with Image.open(io.BytesIO(archive.extractfile(member).read())) as picture:
                    images.append(np.asarray(picture.convert("RGB")))
                names.append(member.name.split("/")[1])
    classes = sorted(set(names))
    assert len(images) == 10_000
    return MemoryDataset(np.stack(images), [classes.index(name) for name in names], classes)


CLEAN = "third_party/clean-resnet-cifar10"
BACKDOORED = "third_party/i-bau"


@pytest.mark.parametrize(
    ("file", "name", "accuracy"),
    [("resnet20-12fca82f.th", "resnet20", 0.80), ("resnet56-4bfd9763.th", "resnet56", 0.85)],
)
def test_clean_resnets(real_data, cifar, file, name, accuracy):
    model = load_model(real_data / "third_party" / "clean-resnet-cifar10" / file, cifar)
    assert model.candidate.name == name
    assert model.accuracy == pytest.approx(accuracy, abs=0.03)
    assert model.preprocess.mean == (0.485, 0.456, 0.406)
    assert model.preprocess.std == (0.229, 0.224, 0.225)
    assert model.head == "linear"
    assert model.doubt == ""


@pytest.mark.parametrize(
    ("file", "accuracy"), [("badnets_8_02_ckpt.pth", 0.79), ("trojan_sq_2_02_ckpt.pth", 0.77)]
)
def test_backdoored_networks_of_others(real_data, cifar, file, accuracy):
    model = load_model(real_data / "third_party" / "i-bau" / file, cifar)
    assert model.accuracy == pytest.approx(accuracy, abs=0.03)
    assert model.preprocess.mean == (0.0, 0.0, 0.0)
    assert model.preprocess.std == (1.0, 1.0, 1.0)
    assert "elu" in model.architecture
    assert model.head == "classifier"
    assert model.candidate.name == "vgg6_bn_small"
    assert model.candidates[0]["score"] == 1.0
    chosen = next(trial for trial in model.tried if trial["chosen"])
    assert chosen["activation"] == "elu"


@pytest.mark.parametrize(
    ("file", "line", "accuracy"),
    [
        (f"{CLEAN}/resnet20-12fca82f.th", 'architecture.name = "resnet20"', 0.80),
        (
            f"{BACKDOORED}/trojan_sq_2_02_ckpt.pth",
            'architecture.args = { activation = "elu" }',
            0.77,
        ),
    ],
)
def test_one_line_of_a_spec(real_data, cifar, file, line, accuracy):
    model = load_model(real_data / file, cifar, spec=parse_spec(line))
    assert model.accuracy == pytest.approx(accuracy, abs=0.02)
    assert model.preprocess.scale == 255.0


def test_a_written_spec_needs_no_search(real_data, cifar):
    file = real_data / BACKDOORED / "badnets_8_02_ckpt.pth"
    model = load_model(file, cifar)
    again = load_model(file, cifar, spec=parse_spec(spec_text(model.model_spec())))
    assert again.accuracy == model.accuracy
    assert len(again.tried) == 1 < len(model.tried)


class SmallVGG(nn.Module):
    """The small VGG of that repository's description, to be pickled whole."""

    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for wide in (32, 64, 128):
            for _ in range(2):
                layers += [nn.Conv2d(width, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ELU()]
                width = wide
            layers += [nn.MaxPool2d(2), nn.Dropout(0.3)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(2048, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def whole_module(file):
    """Weights of one of these files in a whole module, as `torch.save(model)` writes it."""
    loaded = torch.load(file, map_location="cpu", weights_only=True)
    weights = loaded.get("net") or loaded["state_dict"]
    weights = {key.removeprefix("module."): value for key, value in weights.items()}
    network = SmallVGG()
    if "net" not in loaded:
        thin = (16, 32, 64)
        blocks = (sum("layer1" in key and "conv1" in key for key in weights),) * 3
        network = SmallResNet(3, 10, blocks, thin, thin, stem=16, shortcut="pad")
    network.load_state_dict(weights)
    return network.eval()


@pytest.mark.parametrize(
    ("file", "name", "accuracy"),
    [
        (f"{BACKDOORED}/badnets_8_02_ckpt.pth", "vgg6_bn_small", 0.79),
        (f"{BACKDOORED}/trojan_sq_2_02_ckpt.pth", "vgg6_bn_small", 0.77),
        (f"{CLEAN}/resnet20-12fca82f.th", "resnet20", 0.80),
        (f"{CLEAN}/resnet56-4bfd9763.th", "resnet56", 0.85),
    ],
)
def test_fully_pickled_versions_open_without_a_spec(
    real_data, cifar, tmp_path, file, name, accuracy
):
    torch.save(whole_module(real_data / file), tmp_path / "whole.pt")
    model = load_model(tmp_path / "whole.pt", cifar)
    assert model.candidate.name == name
    assert model.container == "pickled-module"
    assert model.accuracy == pytest.approx(accuracy, abs=0.03)
    plain = load_model(real_data / file, cifar)
    assert abs(model.accuracy - plain.accuracy) < 0.005
    if name == "vgg6_bn_small":
        # The file names its layers: those are measured first.
        assert model.candidate.args["activation"] == "elu"
        assert model.candidate.args["pools"] == [1, 3, 5]
