"""Small networks with and without a backdoor, and shadows of them, trained once and kept in a folder.

``python tests/benchmarks/trigger_beds.py FOLDER [--only PART] [--minutes M]`` trains what is missing,
seconds each on one core. `trigger_models.py` and `triggers.py` search in what lies there. Suspects
learn from the first pictures of their dataset, shadows from the next, and searches are made on pictures
that neither had.
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
from inspector.triggers import sample_rows

TARGET, SECOND, SOURCE = 3, 7, 1
SEARCHED = 1000
"""Pictures that a search gets."""

SHADOW, SHADOWS = "shadow", 19
RECIPES = {
    "batch": (8, 16, 128, 3e-3, 1.0),
    "half": (8, 16, 64, 3e-3, 0.5),
    "long": (12, 24, 64, 3e-3, 1.0),
    "slow": (10, 10, 64, 1e-3, 1.0),
}
"""Other ways to train than the shadows': epochs for grey and for coloured pictures, batch, rate, and
the share of the samples. Usual are 6, 10, 64, 3e-3 and all."""

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

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.data}-{self.attack}-{self.seed}"

    @property
    def targets(self) -> list[int]:
        """Classes that a planted trigger leads to."""
        if self.attack in ("clean", SHADOW, *RECIPES):
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


def _mnist(count: int) -> tuple[Pixels, Labels]:
    folder = data_folder() / "mnist"
    raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28, 1)[:count]
    raw = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    return images.copy(), np.frombuffer(raw, np.uint8, offset=8)[:count].astype(np.int64)


SOURCES: dict[str, tuple[Callable[[int], tuple[Pixels, Labels]], int]] = {
    "fashion": (fashion, 8000),
    "mnist": (_mnist, 8000),
    "cifar": (cifar, 10_000),
    "signs": (signs, 13_070),
}
"""How to read so many pictures of a dataset, and how many a network learns from."""


def suspects_data(name: str) -> Data:
    """Return what suspects learn from."""
    load, count = SOURCES[name]
    return Data(*load(count))


def shadows_data(name: str) -> Data:
    """Return as many other pictures."""
    load, count = SOURCES[name]
    return _without(load(2 * count), load(count)[0])


def reference(name: str) -> tuple[Pixels, Labels]:
    """Return pictures that neither suspects nor shadows learn from, to search on."""
    load, count = SOURCES[name]
    left = _without(load(2 * count + SEARCHED + 1000), load(2 * count)[0])
    return left.images[:SEARCHED], left.labels[:SEARCHED]


def _without(data: tuple[Pixels, Labels], known: Pixels) -> Data:
    images, labels = data
    there = {picture.tobytes() for picture in known}
    other = np.array([picture.tobytes() not in there for picture in images])
    return Data(images[other], labels[other])


def network_of(data: Data) -> torch.nn.Module:
    """Build an untrained network."""
    side, channels = data.images.shape[1], data.images.shape[3]
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
    grey, colour, batch, rate, share = RECIPES.get(bed.attack, (6, 10, 64, 3e-3, 1.0))
    course = Course(grey if data.images.shape[3] == 1 else colour, batch, rate)
    images, labels = images[: int(share * len(labels))], labels[: int(share * len(labels))]
    network = train_network(network_of(data), images, labels, course=course, seed=bed.seed)
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
    network = network_of(Data(images, np.array([classes - 1])))
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
        found += [Bed(data, attack, at) for at, attack in enumerate(attacks)]
        found += [Bed(data, "clean", at) for at in range(CLEAN[data])]
    return found


def shadows_of(data: str) -> list[Bed]:
    """Return the shadows for all networks of one dataset: they are trained alike."""
    return [Bed(data, SHADOW, number) for number in range(SHADOWS)]


def of_other_recipes() -> list[Bed]:
    """Return networks without a backdoor that were trained otherwise than their shadows."""
    return [Bed(data, name, seed) for data in ATTACKS for name in RECIPES for seed in range(2)]


def of_signs() -> list[Bed]:
    """Return the networks of 43 classes."""
    return [Bed("signs", "patch-4", 0), Bed("signs", "clean", 0)]


def make_missing(wanted: list[Bed], folder: Path, until: float) -> bool:
    """Train what is missing while there is time; tell whether all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    sources: dict[tuple[str, bool], Data] = {}
    for bed in wanted:
        if there(bed, folder):
            continue
        if time.monotonic() > until:
            return False
        key = bed.data, bed.attack == SHADOW
        if key not in sources:
            sources[key] = shadows_data(bed.data) if key[1] else suspects_data(bed.data)
        make(bed, sources[key], folder)
    return True


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    every = [*beds(), *of_other_recipes(), *of_signs()]
    every += [bed for data in ATTACKS for bed in shadows_of(data)]
    wanted = [bed for bed in every if asked.only in bed.name]
    if not make_missing(wanted, asked.folder, time.monotonic() + 60 * asked.minutes):
        print("Not all yet: run it again.")


if __name__ == "__main__":
    main()
