"""Photographs of 224 pixels, some of them grey: resized and cropped as the network was fitted."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from inspector.intake.datasets import open_dataset
from inspector.intake.models import load_model
from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.torchvision_models import torchvision_models
from inspector.signals import compute_signals

pytestmark = pytest.mark.slow

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 6


@pytest.fixture(scope="module")
def photographs(real_data, tmp_path_factory):
    """A folder of class folders: of each class five colour photographs and up to two grey ones."""
    path = real_data / "imagenette224" / "imagenette224_val_jpeg.zip"
    if not path.is_file():
        pytest.skip(f"photographs not found at {path}")
    root = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".JPEG"))
        for label in sorted({name.split("/")[1] for name in names})[:CLASSES]:
            left = {"RGB": 5, "L": 2}
            (root / label).mkdir()
            for name in names:
                if f"/{label}/" not in name or not any(left.values()):
                    continue
                content = archive.read(name)
                mode = Image.open(io.BytesIO(content)).mode
                if left.get(mode):
                    left[mode] -= 1
                    (root / label / name.rpartition("/")[2]).write_bytes(content)
    return root


def decoded(data):
    """Every photograph as the reader gives it, grey ones with one channel or three."""
    images = list(data.decode_batch(np.arange(len(data))))
    assert all(image.shape[:2] == (224, 224) for image in images)
    return images


def fitted_last_layer(images, labels, preprocess):
    """A ResNet-18 of random features whose last layer alone is fitted, by least squares."""
    torch.manual_seed(0)
    network = torchvision_models().resnet18(weights=None, num_classes=CLASSES)
    head, network.fc = network.fc, torch.nn.Identity()
    batch = preprocess(images)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of just these photographs
    with torch.no_grad():
        network.train()(batch)
        features = network.eval()(batch).double()
        centre = features.mean(0)
        wanted = torch.nn.functional.one_hot(torch.as_tensor(labels).long(), CLASSES).double()
        # More features than photographs: every one is named right, as long as it arrives alike.
        weight = torch.linalg.lstsq(features - centre, 20 * (wanted - 0.5), driver="gelsd").solution
        head.weight.copy_(weight.T)
        head.bias.copy_(-centre @ weight)
    network.fc = head
    return network


def test_photographs_arrive_resized_and_cropped_as_measured(photographs, tmp_path):
    data = open_dataset(photographs)
    images = decoded(data)
    assert {np.ptp(image, axis=2).max() == 0 for image in images} == {True, False}  # grey, colour
    truth = Preprocess("RGB", (224, 224), *IMAGENET, fit="crop")
    network = fitted_last_layer(images, data.labels, truth)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "m.pt")
    model = load_model(tmp_path / "m.pt", data)
    assert (model.candidate.name, model.head) == ("resnet18", "fc")
    assert model.preprocess.size == (224, 224)
    ways = {trial["size"]: trial["accuracy"] for trial in model.tried if "ImageNet" in str(trial)}
    assert {"224, middle 224×224", "256×256, middle 224×224"} <= set(ways)
    assert min(ways.values()) < 0.9  # the photographs tell the ways apart
    assert (model.preprocess.mean, model.preprocess.std) == IMAGENET
    assert model.accuracy == 1.0
    torch.testing.assert_close(model.preprocess(images), truth(images))

    signals = compute_signals(model, data, tmp_path / "signals")
    assert signals.get("assessed").all()
    assert (signals.get("predicted") == data.labels).all()
    with torch.no_grad():
        expected = network(truth(images)).numpy()
    np.testing.assert_allclose(signals.get("logits"), expected, rtol=1e-3, atol=1e-2)
