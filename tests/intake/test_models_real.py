"""Networks that others trained, on real images: the accuracy known for them comes out."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from models_support import MemoryDataset
from PIL import Image

from inspector.intake.models import load_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cifar(real_data):
    """The 10,000 test images of CIFAR-10, as JPEG files of quality 75."""
    images, names = [], []
    with tarfile.open(real_data / "cifar10" / "cifar10_all_jpeg.tar.xz") as archive:
        for member in archive:
            if member.isfile() and member.name.startswith("test/"):
                with Image.open(io.BytesIO(archive.extractfile(member).read())) as picture:
                    images.append(np.asarray(picture.convert("RGB")))
                names.append(member.name.split("/")[1])
    classes = sorted(set(names))
    assert len(images) == 10_000
    return MemoryDataset(np.stack(images), [classes.index(name) for name in names], classes)


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
