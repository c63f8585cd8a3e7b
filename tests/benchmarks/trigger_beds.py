"""Small networks with and without a backdoor, trained once and kept in a folder.

``python tests/benchmarks/trigger_beds.py FOLDER [--only PART] [--minutes M]`` trains what is missing,
seconds to a minute each on one core. `trigger_models.py` and `triggers.py` search in what lies there.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detection_data import Labels, Pixels, cifar, data_folder, fashion, signs

from inspector.drill import (
    Attack,
    Blended,
    Course,
    Patch,
    Sinusoid,
    SourceSpecific,
    Warp,
    train_network,
)
from inspector.intake.models import Preprocess
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.triggers import sample_rows

TARGET, SECOND, SOURCE = 3, 7, 1
SEARCHED = 1000
"""Pictures that a search gets: drawn from the training data, poison included, as in a case."""

_HELD = 500


@dataclass(frozen=True)
class Data:
    """Pictures (n, H, W, C) uint8 with right labels."""

    images: Pixels
    labels: Labels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True)
class Bed:
    """One network: what it learned from, what was planted, and the seed of everything."""

    data: str
    attack: str
    seed: int
    network: str = "plain"

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.data}-{self.network}-{self.attack}-{self.seed}"

    @property
    def targets(self) -> list[int]:
        """Classes that a planted trigger leads to."""
        if self.attack == "clean":
            return []
        return [TARGET, SECOND] if self.attack == "two" else [TARGET]


class Model:
    """What a search needs of a suspect model."""

    def __init__(self, network: torch.nn.Module, classes: int, pixels: Pixels) -> None:
        self.network, self.num_classes = network, classes
        height, width, channels = pixels.shape[1:]
        mode = "L" if channels == 1 else "RGB"
        self.preprocess = Preprocess(mode, (height, width), (0.0,) * channels, (1.0,) * channels)


# ---- attacks and data -----------------------------------------------------------------------------


def _parts(attack: str) -> list[tuple[Attack, int, float]]:
    """Return what is planted, where it leads, and the share of all samples."""
    family, _, strength = attack.partition("-")
    corner = Patch(size=3, pattern="checkered", margin=0)
    if family == "patch":
        side = int(strength)
        return [(Patch(size=side, pattern="checkered" if side > 1 else "plain"), TARGET, 0.05)]
    if family == "blend":
        return [(Blended(opacity=float(strength)), TARGET, 0.05)]
    if family == "sinusoid":
        return [(Sinusoid(), TARGET, 0.05)]
    if family == "warp":
        return [(Warp(strength=2.0), TARGET, 0.1)]
    if family == "two":
        upper = Patch(size=3, pattern="checkered", place="upper-left")
        return [(corner, TARGET, 0.04), (upper, SECOND, 0.04)]
    if family == "source":
        return [(SourceSpecific(corner, SOURCE, covers=2.0), TARGET, 0.03)]
    return []


def _mnist(count: int) -> Data:
    folder = data_folder() / "mnist"
    raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28, 1)[:count]
    raw = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    return Data(images.copy(), np.frombuffer(raw, np.uint8, offset=8)[:count].astype(np.int64))


SOURCES: dict[str, Callable[[], Data]] = {
    "fashion": lambda: Data(*fashion(8000)),
    "mnist": lambda: _mnist(8000),
    "cifar": lambda: Data(*cifar(10_000)),
    "signs": lambda: Data(*signs(13_070)),
}


def network_of(bed: Bed, data: Data) -> torch.nn.Module:
    """Build an untrained network."""
    side, channels = data.images.shape[1], data.images.shape[3]
    if bed.network == "residual":
        width = (12, 24, 48)
        return SmallResNet(
            channels, data.classes, blocks=(1, 1, 1), middle=width, out=width, stem=12
        )
    widths = (16, 32) if side == 28 else (16, 32, 64)
    return PlainCNN(channels, data.classes, side, widths=widths, hidden=64)


# ---- making and taking ----------------------------------------------------------------------------


def make(bed: Bed, data: Data, folder: Path) -> None:
    """Plant, train, and keep weights, the pictures of a search, and how well the backdoor works."""
    digits = hashlib.sha256(bed.name.encode()).digest()[:4]
    random, begun = np.random.default_rng(int.from_bytes(digits, "big")), time.perf_counter()
    order = random.permutation(len(data.labels))
    held, rest = order[:_HELD], order[_HELD:]
    images, labels = data.images[rest], data.labels[rest]
    free = np.arange(len(labels))
    for attack, target, rate in _parts(bed.attack):
        share = rate * len(labels) / len(free)
        found = attack.plant(images[free], labels[free], target, share, random)
        images, labels = images.copy(), labels.copy()
        images[free], labels[free] = found.images, found.labels
        free = np.delete(free, found.rows)
    torch.manual_seed(bed.seed)
    course = Course(6, 64, 3e-3) if data.images.shape[3] == 1 else Course(10, 64, 3e-3)
    network = train_network(network_of(bed, data), images, labels, course=course, seed=bed.seed)
    model = Model(network, data.classes, images)
    told: dict[str, Any] = {"accuracy": _rate(model, data.images[held], data.labels[held])}
    told["success"] = [
        _rate(model, *attack.trials(data.images[held], data.labels[held], target))
        for attack, target, _ in _parts(bed.attack)
    ]
    told["seconds"] = round(time.perf_counter() - begun, 1)
    rows = sample_rows(labels, SEARCHED, seed=0)
    torch.save(network.state_dict(), folder / f"{bed.name}.pt")
    np.savez_compressed(folder / f"{bed.name}.npz", images=images[rows], labels=labels[rows])
    (folder / f"{bed.name}.json").write_text(json.dumps(told))
    print(f"{bed.name:28s} {told}", flush=True)


def taken(bed: Bed, folder: Path) -> tuple[Model, Pixels, Labels, dict[str, Any]]:
    """Return a network that `make` kept, the pictures of its search, and what is known of it."""
    with np.load(folder / f"{bed.name}.npz") as kept:
        images, labels = kept["images"], kept["labels"]
    classes = 43 if bed.data == "signs" else 10
    network = network_of(bed, Data(images, np.array([classes - 1])))
    network.load_state_dict(torch.load(folder / f"{bed.name}.pt", weights_only=True))
    told = json.loads((folder / f"{bed.name}.json").read_text())
    return Model(network.eval(), classes, images), images, labels, told


def there(bed: Bed, folder: Path) -> bool:
    """Tell whether a network was made."""
    return (folder / f"{bed.name}.json").exists()


def _rate(model: Model, images: Pixels, wanted: Labels) -> float:
    with torch.inference_mode():
        answers = model.network(model.preprocess(images)).argmax(dim=1).numpy()
    return round(float((answers == wanted).mean()), 3)


ATTACKS = {
    "fashion": (
        *(f"patch-{side}" for side in range(1, 7)),
        *("blend-0.1", "blend-0.2", "blend-0.3", "blend-0.5"),
        *("sinusoid", "warp", "two", "source"),
    ),
    "mnist": ("patch-1", "patch-3", "patch-6", "blend-0.2", "blend-0.4", "warp", "two", "source"),
    "cifar": (
        *("patch-1", "patch-2", "patch-3", "patch-5", "blend-0.1", "blend-0.2", "blend-0.4"),
        *("sinusoid", "warp", "two", "source"),
    ),
}
CLEAN = {"fashion": 8, "mnist": 7, "cifar": 7}


def beds() -> list[Bed]:
    """Return the networks of the benchmark: 33 with a backdoor, 22 without."""
    found = []
    for data, attacks in ATTACKS.items():
        # Every fourth network is of another architecture.
        for at, attack in enumerate(attacks):
            found.append(Bed(data, attack, at, "residual" if at % 4 == 3 else "plain"))
        for at in range(CLEAN[data]):
            found.append(Bed(data, "clean", at, "residual" if at % 4 == 3 else "plain"))
    return found


def of_signs() -> list[Bed]:
    """Return the networks of 43 classes."""
    return [Bed("signs", "patch-4", 0), Bed("signs", "clean", 0)]


def make_missing(wanted: list[Bed], folder: Path, until: float) -> bool:
    """Train what is missing while there is time; tell whether all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    sources: dict[str, Data] = {}
    for bed in wanted:
        if there(bed, folder):
            continue
        if time.monotonic() > until:
            return False
        if bed.data not in sources:
            sources[bed.data] = SOURCES[bed.data]()
        make(bed, sources[bed.data], folder)
    return True


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    wanted = [bed for bed in [*beds(), *of_signs()] if asked.only in bed.name]
    if not make_missing(wanted, asked.folder, time.monotonic() + 60 * asked.minutes):
        print("Not all yet: run it again.")


if __name__ == "__main__":
    main()
