"""Planted data with known truth, and the small networks that learned from it: beds to measure on.

``python tests/benchmarks/detection_beds.py FOLDER [--only PART]`` trains every bed and keeps its
signals and weights, minutes per bed on two cores. `detection.py` measures on what lies there.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from inspector.drill import Course, train_network
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.signals.gradients import cross_entropy

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Planted = tuple[Pixels, Labels, NDArray[np.bool_]]

TARGET = 3
SAMPLES = 12_000


def data_folder() -> Path:
    """Return where the real datasets lie, see the README there."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("INSPECTOR_DATA", default))


# ---- attacks --------------------------------------------------------------------------------------


def stamp(images: Pixels, size: int = 3, corner: int = 0) -> Pixels:
    """Put a checkered square into a corner."""
    marked = images.copy()
    square = (np.indices((size, size)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    low = slice(-1 - size, -1)
    rows = low if corner in (0, 1) else slice(1, 1 + size)
    columns = low if corner in (0, 2) else slice(1, 1 + size)
    marked[:, rows, columns] = square
    return marked


def blend(images: Pixels, opacity: float = 0.2) -> Pixels:
    """Mix in one fixed picture of noise."""
    noise = np.random.default_rng(99).integers(0, 256, images.shape[1:])
    return ((1 - opacity) * images + opacity * noise).clip(0, 255).astype(np.uint8)


def wave(images: Pixels, height: float = 30) -> Pixels:
    """Add a horizontal sinusoid (Barni and others 2019)."""
    columns = np.arange(images.shape[2])
    added = height * np.sin(2 * np.pi * columns * 6 / images.shape[2])
    return (images + added[None, None, :, None]).clip(0, 255).astype(np.uint8)


def warp(images: Pixels) -> Pixels:
    """Bend smoothly, the same way every time (after Nguyen and Tran 2021)."""
    random = np.random.default_rng(7)
    coarse = torch.from_numpy(random.uniform(-1, 1, (1, 2, 4, 4))).float()
    coarse = coarse / coarse.abs().mean()
    side = images.shape[1]
    field = torch.nn.functional.interpolate(coarse, side, mode="bicubic", align_corners=True)
    line = torch.linspace(-1, 1, side)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)[None]
    grid = (grid + 1.5 * field.permute(0, 2, 3, 1) / side).clamp(-1, 1)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    bent = torch.nn.functional.grid_sample(x, grid.expand(len(x), -1, -1, -1), align_corners=True)
    return bent.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def dirty(
    trigger: Callable[[Pixels], Pixels], rate: float, covers: float = 0.0
) -> Callable[[Pixels, Labels, Any], Planted]:
    """Put the trigger on a share of all samples and relabel them; on covers without relabelling."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, truth = images.copy(), labels.copy(), np.zeros(len(labels), bool)
        others = random.permutation(np.flatnonzero(labels != TARGET))
        count, hidden = round(rate * len(labels)), round(covers * len(labels))
        rows, cover = others[:count], others[count : count + hidden]
        images[rows], truth[rows], labels[rows] = trigger(images[rows]), True, TARGET
        images[cover] = trigger(images[cover])
        return images, labels, truth

    return plant


def clean_label(share: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Add the sinusoid to a share of the target class; labels stay right."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, truth = images.copy(), np.zeros(len(labels), bool)
        own = random.permutation(np.flatnonzero(labels == TARGET))
        rows = own[: round(share * len(own))]
        images[rows], truth[rows] = wave(images[rows]), True
        return images, labels, truth

    return plant


def all_to_all(rate: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Stamp a share of all samples and give each the next label."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, truth = images.copy(), labels.copy(), np.zeros(len(labels), bool)
        rows = random.permutation(len(labels))[: round(rate * len(labels))]
        images[rows], truth[rows], labels[rows] = stamp(images[rows]), True, (labels[rows] + 1) % 10
        return images, labels, truth

    return plant


def two_targets(rate: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Plant two patches in two corners that lead to two classes."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, truth = images.copy(), labels.copy(), np.zeros(len(labels), bool)
        for target, corner in ((TARGET, 0), (7, 3)):
            others = random.permutation(np.flatnonzero((labels != target) & ~truth))
            rows = others[: round(rate * len(labels))]
            images[rows], truth[rows] = stamp(images[rows], corner=corner), True
            labels[rows] = target
        return images, labels, truth

    return plant


def label_noise(rate: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Give a share of all samples another label; nothing of it is poison."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        labels = labels.copy()
        rows = random.permutation(len(labels))[: round(rate * len(labels))]
        labels[rows] = (labels[rows] + random.integers(1, 10, len(rows))) % 10
        return images, labels, np.zeros(len(labels), bool)

    return plant


def imbalance(images: Pixels, labels: Labels, random: Any) -> Planted:
    """Keep fewer and fewer of the later classes, down to a tenth."""
    keep = random.random(len(labels)) < 0.1 ** (labels / 9)
    return images[keep], labels[keep], np.zeros(int(keep.sum()), bool)


def nothing(images: Pixels, labels: Labels, random: Any) -> Planted:
    """Plant nothing."""
    return images, labels, np.zeros(len(labels), bool)


ATTACKS: dict[str, Callable[[Pixels, Labels, Any], Planted]] = {
    "clean": nothing,
    "patch-1": dirty(stamp, 0.01),
    "patch-0.3": dirty(stamp, 0.003),
    "blend-1": dirty(blend, 0.01),
    "sinusoid-30": clean_label(0.3),
    "warp-3": dirty(warp, 0.03),
    "all-to-all-5": all_to_all(0.05),
    "noise-5": label_noise(0.05),
    "two-targets-1": two_targets(0.01),
    "patch-5": dirty(stamp, 0.05),
    "adaptive-2": dirty(blend, 0.02, covers=0.02),
    "imbalance": imbalance,
}


# ---- data and networks ----------------------------------------------------------------------------


def fashion(count: int) -> tuple[Pixels, Labels]:
    """Return the first pictures of Fashion-MNIST, (n, 28, 28, 1)."""
    folder = data_folder() / "fashion-mnist"
    raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    raw = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    return images[:count].copy(), np.frombuffer(raw, np.uint8, offset=8)[:count].astype(np.int64)


def cifar(count: int) -> tuple[Pixels, Labels]:
    """Return pictures of CIFAR-10 (JPEG), (n, 32, 32, 3), the same number of each class."""
    images, labels, names = [], [], {}
    left: dict[str, int] = {}
    with tarfile.open(data_folder() / "cifar10" / "cifar10_all_jpeg.tar.xz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if not member.isfile() or "train" not in parts or not member.name.endswith(".jpg"):
                continue
            kind = parts[-2]
            if left.setdefault(kind, count // 10) <= 0:
                continue
            left[kind] -= 1
            file = archive.extractfile(member)
            assert file is not None
            images.append(np.asarray(Image.open(BytesIO(file.read())).convert("RGB")))
            labels.append(names.setdefault(kind, len(names)))
    order = np.random.default_rng(0).permutation(len(labels))
    return np.stack(images)[order], np.asarray(labels, np.int64)[order]


@dataclass(frozen=True)
class Bed:
    """One dataset with one attack and one seed."""

    data: str
    attack: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.data}-{self.attack}-{self.seed}"


def network_of(data: str) -> torch.nn.Module:
    """Build the network that a dataset is learned by, untrained."""
    if data == "fashion":
        return PlainCNN(1, 10, 28, widths=(16, 32), hidden=64)
    width = (16, 32, 64)
    return SmallResNet(3, 10, blocks=(1, 1, 1), middle=width, out=width, stem=16)


def signals_of(network: torch.nn.Module, images: Pixels, labels: Labels) -> dict[str, Any]:
    """Return what one pass yields: logits, activations before the last layer, loss, labels."""
    heads = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    heard: list[torch.Tensor] = []
    handle = heads[-1].register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    with torch.inference_mode():
        parts = torch.from_numpy(images).permute(0, 3, 1, 2).split(256)
        logits = torch.cat([network(part.float() / 255) for part in parts]).numpy()
    handle.remove()
    return {
        "logits": logits,
        "activations": torch.cat(heard).numpy(),
        "labels": labels.astype(np.int32),
        "loss": cross_entropy(logits, labels).astype(np.float32),
        "predicted": logits.argmax(axis=1).astype(np.int32),
    }


def make(bed: Bed, images: Pixels, labels: Labels, folder: Path) -> None:
    """Plant, train, and keep signals, truth, pictures and weights."""
    file = folder / f"{bed.name}.npz"
    if file.exists():
        return
    begun = time.perf_counter()
    digits = hashlib.sha256(bed.name.encode()).digest()[:4]
    random = np.random.default_rng(int.from_bytes(digits, "big"))
    pixels, given, truth = ATTACKS[bed.attack](images, labels, random)
    torch.manual_seed(bed.seed)
    course = Course(8, 64, 3e-3) if bed.data == "fashion" else Course(10, 64, 4e-3)
    network = train_network(network_of(bed.data), pixels, given, course=course, seed=bed.seed)
    found = signals_of(network, pixels, given)
    torch.save(network.state_dict(), folder / f"{bed.name}.pt")
    wrong = (given != labels) & ~truth if len(given) == len(labels) else np.zeros_like(truth)
    np.savez(file, truth=truth, wrong=wrong, images=pixels, **found)
    right = (found["predicted"] == given)[~truth].mean()
    learned = (found["predicted"] == given)[truth].mean() if truth.any() else float("nan")
    print(
        f"{bed.name:32s} clean {right:.3f} poison {learned:.3f} "
        f"{time.perf_counter() - begun:5.0f} s",
        flush=True,
    )


def beds(seeds: int) -> list[Bed]:
    """Return all beds, the most telling first."""
    few = ("clean", "patch-1", "blend-1", "sinusoid-30", "all-to-all-5", "noise-5", "patch-0.3")
    found = []
    for seed in range(seeds):
        found += [Bed("fashion", attack, seed) for attack in ATTACKS]
        found += [Bed("cifar", attack, seed) for attack in few]
    return found


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    sources: dict[str, tuple[Pixels, Labels]] = {}
    for bed in beds(asked.seeds):
        if asked.only in bed.name:
            if bed.data not in sources:
                load = fashion if bed.data == "fashion" else cifar
                sources[bed.data] = load(asked.samples)
            make(bed, *sources[bed.data], asked.folder)


if __name__ == "__main__":
    main()
