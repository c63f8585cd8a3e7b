"""Real CIFAR-10 pictures and networks that others made, with triggers stamped as their README says."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.intake.datasets import open_dataset
from inspector.intake.models import SuspectModel, load_model

NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
WHITE_SQUARE = (slice(27, 31), slice(27, 31))
"""Of badnets_8_02: target 8."""


@cache
def decoded(data: Path, split: str, per_class: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the first ``per_class`` pictures of each class, (m, 32, 32, 3), and their labels."""
    wanted, images, labels = dict.fromkeys(NAMES, per_class), [], []
    with tarfile.open(data / "cifar10" / "cifar10_all_jpeg.tar.xz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if not member.isfile() or parts[-3:-1][0] != split or not wanted.get(parts[-2]):
                continue
            file = archive.extractfile(member)
            assert file is not None
            wanted[parts[-2]] -= 1
            images.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
            labels.append(NAMES.index(parts[-2]))
            if not any(wanted.values()):
                break
    return np.stack(images), np.array(labels, np.int32)


def white_square(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stamp the trigger of badnets_8_02."""
    stamped = images.copy()
    stamped[:, *WHITE_SQUARE] = 255
    return stamped


def opened(
    weights: Path, images: NDArray[np.uint8], labels: NDArray[np.int32], folder: Path
) -> SuspectModel:
    """Recognise a network as a scan does."""
    path = folder / "pictures.npz"
    np.savez(path, images=images, labels=labels)
    return load_model(weights, open_dataset(path))
