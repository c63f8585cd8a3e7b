"""Planted data with known truth, and the small networks that learned from it: beds to measure on.

``python tests/benchmarks/detection_beds.py FOLDER [--only PART] [--seeds N]`` trains every bed and
keeps its signals and weights, about a minute per bed on two cores. `detection.py` measures on what
lies there. `detection_foreign.py` adds beds of networks and poison that others made.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from detection_data import SOURCES, Labels, Pixels, Source, standing_data
from numpy.typing import NDArray

from inspector.drill import (
    AdaptiveBlend,
    AllToAll,
    Attack,
    Blended,
    LabelConsistent,
    Patch,
    PixelNetwork,
    Sinusoid,
    SourceSpecific,
    Warp,
    train_network,
)
from inspector.intake.models.tracing import trace
from inspector.signals.conv_gradients import ConvGradients, last_convolutions
from inspector.signals.gradients import cross_entropy
from inspector.signals.hooks import ActivationTap
from inspector.signals.layers import choose_layers

PATCH = Patch(pattern="checkered")
SAMPLES = 12_000
DIRECTIONS = 512
"""Dimensions of the gradient directions, as in a scan."""

HELD_OUT = 500
"""Further pictures, to see how often an attack succeeds."""


class Planted(NamedTuple):
    """Data with poison in them, and how to try it out; no attack where nothing is poison."""

    images: Pixels
    labels: Labels
    truth: NDArray[np.bool_]
    attack: Attack | None = None


Plant = Callable[[Source, Pixels, Labels, Any], Planted]


def one(attack: Attack | Callable[[Source, Pixels, Labels], Attack], rate: float) -> Plant:
    """Plant one attack at a rate of all samples."""

    def plant(source: Source, images: Pixels, labels: Labels, random: Any) -> Planted:
        chosen = attack if isinstance(attack, Attack) else attack(source, images, labels)
        found = chosen.plant(images, labels, source.target, rate, random)
        return Planted(found.images, found.labels, _at(found.rows, len(labels)), chosen)

    return plant


def _at(rows: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    truth = np.zeros(count, bool)
    truth[rows] = True
    return truth


def label_consistent(source: Source, images: Pixels, labels: Labels) -> Attack:
    """Disturb pictures by a network that the attacker trained on the same data."""
    torch.manual_seed(1000)
    own = train_network(source.network(), images, labels, course=source.course, seed=1000)
    return LabelConsistent(Patch(pattern="checkered", size=4), PixelNetwork(own), radius=48)


def two_targets(rate: float) -> Plant:
    """Plant two patches in two corners that lead to two classes; the first is tried out."""

    def plant(source: Source, images: Pixels, labels: Labels, random: Any) -> Planted:
        images, labels, truth = images.copy(), labels.copy(), np.zeros(len(labels), bool)
        for target, place in ((source.target, "lower-right"), (source.second, "upper-left")):
            free = np.flatnonzero(~truth)
            found = Patch(pattern="checkered", place=place).plant(
                images[free], labels[free], target, rate, random
            )
            images[free], labels[free] = found.images, found.labels
            truth[free[found.rows]] = True
        return Planted(images, labels, truth, PATCH)

    return plant


def label_noise(rate: float) -> Plant:
    """Give a share of all samples another label; nothing of it is poison."""

    def plant(source: Source, images: Pixels, labels: Labels, random: Any) -> Planted:
        labels, classes = labels.copy(), source.classes
        rows = random.permutation(len(labels))[: round(rate * len(labels))]
        labels[rows] = (labels[rows] + random.integers(1, classes, len(rows))) % classes
        return Planted(images, labels, np.zeros(len(labels), bool))

    return plant


def imbalance(source: Source, images: Pixels, labels: Labels, random: Any) -> Planted:
    """Keep fewer and fewer of the later classes, down to a tenth."""
    keep = random.random(len(labels)) < 0.1 ** (labels / (source.classes - 1))
    return Planted(images[keep], labels[keep], np.zeros(int(keep.sum()), bool))


def nothing(source: Source, images: Pixels, labels: Labels, random: Any) -> Planted:
    """Plant nothing."""
    return Planted(images, labels, np.zeros(len(labels), bool))


ATTACKS: dict[str, Plant] = {
    "clean": nothing,
    "patch-1": one(PATCH, 0.01),
    "patch-0.3": one(PATCH, 0.003),
    "blend-1": one(Blended(), 0.01),
    # 30 % of a target class of a tenth of the samples
    "sinusoid-30": one(Sinusoid(), 0.03),
    "warp-3": one(Warp(), 0.03),
    "all-to-all-5": one(lambda source, *_: AllToAll(PATCH, source.classes), 0.05),
    "noise-5": label_noise(0.05),
    "two-targets-1": two_targets(0.01),
    "patch-5": one(PATCH, 0.05),
    "adaptive-2": one(AdaptiveBlend(), 0.02),
    "imbalance": imbalance,
    "noise-2": label_noise(0.02),
    "noise-10": label_noise(0.10),
    "patch-0.5": one(PATCH, 0.005),
    "patch-10": one(PATCH, 0.10),
    "patch-0.1": one(PATCH, 0.001),
    "blend-0.5": one(Blended(), 0.005),
    "consistent-5": one(label_consistent, 0.05),
    "one-source-2": one(lambda source, *_: SourceSpecific(PATCH, source.second), 0.02),
}

PLANTED_IN: dict[str, tuple[str, ...]] = {
    "fashion": tuple(ATTACKS),
    "cifar": (
        "clean", "patch-5", "blend-1", "sinusoid-30", "all-to-all-5", "noise-5", "patch-1",
    ),
    "signs": ("clean", "patch-1", "blend-1", "noise-5", "patch-0.5", "two-targets-1", "warp-3"),
    "lungs": ("clean", "patch-1", "blend-1", "noise-5", "patch-5"),
}  # fmt: skip


# ---- beds -----------------------------------------------------------------------------------------


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


def signals_of(
    network: torch.nn.Module,
    images: Pixels,
    labels: Labels,
    normalise: Callable[[torch.Tensor], torch.Tensor] = lambda pixels: pixels,
) -> dict[str, Any]:
    """Return what one pass yields: logits, activations before the last layer, loss, labels."""
    modules = dict(network.named_modules())
    head = [name for name, module in modules.items() if isinstance(module, torch.nn.Linear)][-1]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    ran = trace(network, pixels.shape[1], tuple(pixels.shape[2:])).layers
    with torch.inference_mode():
        example = normalise(pixels[:8].float() / 255)
        with ActivationTap(network, head) as tap:
            layers = choose_layers(network, ran, example, tap.run(network, example)[1])
        with ActivationTap(network, head, further=layers) as tap:
            parts = [tap.run(network, normalise(part.float() / 255)) for part in pixels.split(256)]
    directions = []
    names = last_convolutions(network, ran)
    with ConvGradients(network, names, DIRECTIONS, seed=0) as convolutions:
        for part, some in zip(pixels.split(256), torch.from_numpy(labels).split(256)):
            x = normalise(part.float() / 255)
            directions.append(
                convolutions.run(lambda x=x: network(x), lambda said: said, some.long())[1]
            )
    logits = torch.cat([part[0] for part in parts]).numpy()
    swept = (torch.cat(one).numpy() for one in zip(*(part[2] for part in parts)))
    return {
        **{f"layer:{name}": values for name, values in zip(layers, swept)},
        "logits": logits,
        "activations": torch.cat([part[1] for part in parts]).numpy(),
        "labels": labels.astype(np.int32),
        "loss": cross_entropy(logits, labels).astype(np.float32),
        "predicted": logits.argmax(axis=1).astype(np.int32),
        "conv_gradients": torch.cat(directions).numpy(),
    }


def make(bed: Bed, images: Pixels, labels: Labels, folder: Path) -> None:
    """Plant, train, and keep signals, truth, pictures and weights; the last pictures try it out."""
    begun, source = time.perf_counter(), SOURCES[bed.data]
    digits = hashlib.sha256(bed.name.encode()).digest()[:4]
    random = np.random.default_rng(int.from_bytes(digits, "big"))
    shown, known = images[-HELD_OUT:], labels[-HELD_OUT:]
    images, labels = images[:-HELD_OUT], labels[:-HELD_OUT]
    planted = ATTACKS[bed.attack](source, images, labels, random)
    torch.manual_seed(bed.seed)
    network = train_network(
        source.network(), planted.images, planted.labels, course=source.course, seed=bed.seed
    )
    torch.save(network.state_dict(), folder / f"{bed.name}.pt")
    success = float("nan")
    if planted.attack is not None:
        tried, wanted = planted.attack.trials(shown, known, source.target)
        success = float((PixelNetwork(network).answers(tried) == wanted).mean())
    found = signals_of(network, planted.images, planted.labels)
    same = len(planted.labels) == len(labels)
    wrong = (planted.labels != labels) & ~planted.truth if same else np.zeros_like(planted.truth)
    keep(folder / f"{bed.name}.npz", planted, wrong, found, success)
    accuracy = (PixelNetwork(network).answers(shown) == known).mean()
    print(
        f"{bed.name:28s} accuracy {accuracy:.3f} success {success:.3f} "
        f"{time.perf_counter() - begun:4.0f} s",
        flush=True,
    )


def keep(
    file: Path,
    planted: Planted,
    wrong: NDArray[np.bool_],
    found: dict[str, Any],
    success: float,
) -> None:
    """Write a bed."""
    np.savez(
        file,
        truth=planted.truth,
        wrong=wrong,
        images=planted.images,
        success=np.float64(success),
        **found,
    )


def beds(seeds: int) -> list[Bed]:
    """Return all beds, every dataset's first seed before the second."""
    return [
        Bed(data, attack, seed)
        for seed in range(seeds)
        for data, attacks in PLANTED_IN.items()
        for attack in attacks
    ]


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {}
    for bed in beds(asked.seeds):
        if asked.only in bed.name and not (asked.folder / f"{bed.name}.npz").exists():
            make(bed, *standing_data(bed.data, asked.samples + HELD_OUT, kept), asked.folder)


if __name__ == "__main__":
    main()
