"""Small datasets of every format, written without the code under test."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def samples(
    n: int = 12, classes: int = 3, side: int = 6, channels: int = 1, seed: int = 0
) -> Arrays:
    """Random images (n, side, side, channels) and labels that name every class."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    return images, (np.arange(n) % classes).astype(np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(
    folder: Path, images: NDArray, labels: NDArray, split: str = "train", gz: bool = False
):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx_bytes(array)
        path = folder / f"{split}-{name}-ubyte{'.gz' if gz else ''}"
        path.write_bytes(gzip.compress(content) if gz else content)
    return folder


def write_folder(root: Path, images: NDArray, labels: NDArray, names: tuple[str, ...] = ()) -> Path:
    for row, (image, label) in enumerate(zip(images, labels)):
        folder = root / (names[label] if names else f"class{label}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(folder / f"{row:05d}.png")
    return root


def write_cifar10(folder: Path, n: int = 20, batches: int = 2, seed: int = 0) -> NDArray[np.uint8]:
    """Write batches of CIFAR-10 records; return them as (n, 3073)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(n) % 10
    for number, part in enumerate(np.array_split(records, batches), 1):
        (folder / f"data_batch_{number}.bin").write_bytes(part.tobytes())
    return records
