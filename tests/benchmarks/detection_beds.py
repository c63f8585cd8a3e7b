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

from inspector.drill import (
    AdaptiveBlend,
    AllToAll,
    Attack,
    Blended,
    Course,
    Patch,
    Sinusoid,
    Warp,
    train_network,
)
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.tracing import trace
from inspector.signals.gradients import cross_entropy
from inspector.signals.hooks import ActivationTap
from inspector.signals.layers import choose_layers

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Planted = tuple[Pixels, Labels, NDArray[np.bool_]]

TARGET = 3
PATCH = Patch(pattern="checkered")
SAMPLES = 12_000


def data_folder() -> Path:
    """Return where the real datasets lie, see the README there."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("INSPECTOR_DATA", default))


# ---- attacks --------------------------------------------------------------------------------------


def one(attack: Attack, rate: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Plant one attack at a rate of all samples."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, rows, _ = attack.plant(images, labels, TARGET, rate, random)
        truth = np.zeros(len(labels), bool)
        truth[rows] = True
        return images, labels, truth

    return plant


def two_targets(rate: float) -> Callable[[Pixels, Labels, Any], Planted]:
    """Plant two patches in two corners that lead to two classes."""

    def plant(images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, truth = images.copy(), labels.copy(), np.zeros(len(labels), bool)
        for target, place in ((TARGET, "lower-right"), (7, "upper-left")):
            free = np.flatnonzero(~truth)
            found = Patch(pattern="checkered", place=place).plant(
                images[free], labels[free], target, rate, random
            )
            images[free], labels[free] = found.images, found.labels
            truth[free[found.rows]] = True
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
    "patch-1": one(PATCH, 0.01),
    "patch-0.3": one(PATCH, 0.003),
    "blend-1": one(Blended(), 0.01),
    # 30 % of the target class
    "sinusoid-30": one(Sinusoid(), 0.03),
    "warp-3": one(Warp(), 0.03),
    "all-to-all-5": one(AllToAll(PATCH, 10), 0.05),
    "noise-5": label_noise(0.05),
    "two-targets-1": two_targets(0.01),
    "patch-5": one(PATCH, 0.05),
    "adaptive-2": one(AdaptiveBlend(), 0.02),
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
    modules = dict(network.named_modules())
    head = [name for name, module in modules.items() if isinstance(module, torch.nn.Linear)][-1]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    ran = trace(network, pixels.shape[1], tuple(pixels.shape[2:])).layers
    with torch.inference_mode():
        example = pixels[:8].float() / 255
        with ActivationTap(network, head) as tap:
            layers = choose_layers(network, ran, example, tap.run(network, example)[1])
        with ActivationTap(network, head, further=layers) as tap:
            parts = [tap.run(network, part.float() / 255) for part in pixels.split(256)]
    logits = torch.cat([part[0] for part in parts]).numpy()
    swept = (torch.cat(one).numpy() for one in zip(*(part[2] for part in parts)))
    return {
        **{f"layer:{name}": values for name, values in zip(layers, swept)},
        "logits": logits,
        "activations": torch.cat([part[1] for part in parts]).numpy(),
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
