"""The real datasets that beds are planted in, and the small networks that learn them."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from inspector.drill import Course
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


def data_folder() -> Path:
    """Return where the real datasets lie, see the README there."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("INSPECTOR_DATA", default))


def fashion(count: int) -> tuple[Pixels, Labels]:
    """Return the first pictures of Fashion-MNIST, (n, 28, 28, 1)."""
    folder = data_folder() / "fashion-mnist"
    raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    raw = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    return images[:count].copy(), np.frombuffer(raw, np.uint8, offset=8)[:count].astype(np.int64)


CIFAR = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def cifar(count: int) -> tuple[Pixels, Labels]:
    """Return pictures of CIFAR-10 (JPEG), (n, 32, 32, 3), the same number of each class."""
    images, labels = [], []
    left = dict.fromkeys(CIFAR, count // 10)
    with tarfile.open(data_folder() / "cifar10" / "cifar10_all_jpeg.tar.xz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if not member.isfile() or "train" not in parts or not left.get(parts[-2], 0):
                continue
            left[parts[-2]] -= 1
            file = archive.extractfile(member)
            assert file is not None
            images.append(np.asarray(Image.open(BytesIO(file.read())).convert("RGB")))
            labels.append(CIFAR.index(parts[-2]))
    order = np.random.default_rng(0).permutation(len(labels))
    return np.stack(images)[order], np.asarray(labels, np.int64)[order]


def signs(count: int) -> tuple[Pixels, Labels]:
    """Return traffic signs, (n, 32, 32, 3): 43 classes of 70 to 750 pictures."""
    images, labels = [], []
    file = data_folder() / "gtsrb" / "gtsrb32_train_every3rd_frame_png.zip"
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png"):
                images.append(np.asarray(Image.open(BytesIO(archive.read(name))).convert("RGB")))
                labels.append(int(name.split("/")[-2]))
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    return np.stack(images)[order], np.asarray(labels, np.int64)[order]


def lungs(count: int) -> tuple[Pixels, Labels]:
    """Return X-ray pictures of lungs, (n, 28, 28, 1): a quarter healthy, the others not."""
    stored = np.load(data_folder() / "pneumoniamnist" / "pneumoniamnist_union.npz")
    images, labels = stored["train_images"][..., None], stored["train_labels"][:, 0]
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    return images[order], labels[order].astype(np.int64)


def _plain(classes: int) -> Callable[[], nn.Module]:
    return lambda: PlainCNN(1, classes, 28, widths=(16, 32), hidden=64)


def _residual(classes: int) -> Callable[[], nn.Module]:
    width = (16, 32, 64)
    return lambda: SmallResNet(3, classes, blocks=(1, 1, 1), middle=width, out=width, stem=16)


@dataclass(frozen=True)
class Source:
    """One dataset.

    Attributes
    ----------
    load : callable
        Gives about so many pictures and their labels.
    network : callable
        Gives the untrained network.
    course : Course
        How it is trained.
    classes, target : int
        How many there are, and the one that poison leads to.
    """

    load: Callable[[int], tuple[Pixels, Labels]]
    network: Callable[[], nn.Module]
    course: Course
    classes: int = 10
    target: int = 3

    @property
    def second(self) -> int:
        """Another class, for attacks with two targets."""
        return (self.target + 4) % self.classes


SOURCES: dict[str, Source] = {
    "fashion": Source(fashion, _plain(10), Course(8, 64, 3e-3)),
    "cifar": Source(cifar, _residual(10), Course(10, 64, 4e-3)),
    "signs": Source(signs, _residual(43), Course(8, 64, 4e-3), classes=43, target=14),
    "lungs": Source(lungs, _plain(2), Course(12, 64, 3e-3), classes=2, target=0),
}


def standing_data(name: str, count: int, kept: dict[str, Any]) -> tuple[Pixels, Labels]:
    """Return a dataset, read once."""
    if name not in kept:
        kept[name] = SOURCES[name].load(count)
    found: tuple[Pixels, Labels] = kept[name]
    return found
