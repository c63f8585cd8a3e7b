"""Beds of networks and poison that others made: nothing here was trained or chosen by us but the data.

``python tests/benchmarks/detection_foreign.py FOLDER [--only PART]``. Two backdoored CIFAR-10
networks (Zeng and others 2022) with poisoned sets built as their authors built them, and 25 poisons
of a Convex Polytope attack (Zhu and others 2019) in a transfer setting: the last layer of a clean
network is learned anew from data that hold them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detection_beds import HELD_OUT, SAMPLES, Planted, keep, signals_of
from detection_data import Labels, Pixels, cifar, data_folder
from PIL import Image
from torch import nn
from torch.nn import functional

from inspector.drill import Attack, Patch, PixelNetwork
from inspector.drill.attack import as_pixels
from inspector.drill.training import OneCycle
from inspector.intake.datasets import open_dataset
from inspector.intake.models import SuspectModel, load_model


class Added(Attack):
    """A picture that is added to others and clipped."""

    name = "added"

    def __init__(self, picture: Pixels) -> None:
        self._picture = picture.astype(np.int16)

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the trigger on them."""
        return as_pixels(images.astype(np.int16) + self._picture)


def trojan_square() -> Attack:
    """Return the trigger of trojan_sq_2_02."""
    file = data_folder() / "third_party" / "i-bau" / "triggers" / "trojan_sq.png"
    return Added(np.asarray(Image.open(file).convert("RGB")))


BACKDOORED: dict[str, tuple[str, int, Any]] = {
    "badnets": ("badnets_8_02_ckpt.pth", 8, lambda: Patch(size=4)),
    "trojan": ("trojan_sq_2_02_ckpt.pth", 2, trojan_square),
}
RATES = (0.003, 0.01, 0.05)
CLEAN = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}


def opened(weights: Path, images: Pixels, labels: Labels) -> SuspectModel:
    """Recognise a network as a scan does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.npz"
        np.savez(path, images=images[:500], labels=labels[:500])
        return load_model(weights, open_dataset(path))


def poisoned_sets(name: str, images: Pixels, labels: Labels, folder: Path) -> None:
    """Build poisoned sets for a network that was backdoored by others."""
    weights, target, trigger = BACKDOORED[name]
    model = opened(data_folder() / "third_party" / "i-bau" / weights, images, labels)
    attack, normalise = trigger(), model.preprocess.normalise
    seen = PixelNetwork(model.network, normalise)
    tried, wanted = attack.trials(images[-HELD_OUT:], labels[-HELD_OUT:], target)
    success = float((seen.answers(tried) == wanted).mean())
    images, labels = images[:-HELD_OUT], labels[:-HELD_OUT]
    for rate in RATES:
        found = attack.plant(images, labels, target, rate, np.random.default_rng(0))
        truth = np.zeros(len(labels), bool)
        truth[found.rows] = True
        planted = Planted(found.images, found.labels, truth)
        measured = signals_of(model.network, planted.images, planted.labels, normalise)
        file = folder / f"{name}-patch-{100 * rate:g}-0.npz"
        keep(file, planted, np.zeros_like(truth), measured, success)
        print(f"{file.stem:28s} success {success:.3f}", flush=True)


def transferred(name: str, images: Pixels, labels: Labels, folder: Path) -> None:
    """Learn the last layer of a clean network from data with the poisons among them."""
    stored = data_folder() / "third_party" / "poisoning-benchmark" / "cp_example" / "cp_example.npz"
    given = np.load(stored)
    weights = data_folder() / "third_party" / "clean-resnet-cifar10" / CLEAN[name]
    model = opened(weights, images, labels)
    head = dict(model.network.named_modules())[model.head]
    assert isinstance(head, nn.Linear)
    together = np.concatenate([images, given["poisons"]])
    answers = np.concatenate([labels, given["poison_labels"]])
    truth = np.arange(len(answers)) >= len(labels)
    normalise = model.preprocess.normalise
    before = signals_of(model.network, together, answers, normalise)
    learn_last(head, torch.from_numpy(before["activations"]), torch.from_numpy(answers))
    measured = signals_of(model.network, together, answers, normalise)
    victim = PixelNetwork(model.network, normalise).answers(given["target_image"][None])
    success = float(victim[0] == given["intended_class"])
    file = folder / f"polytope-{name}-0.npz"
    keep(file, Planted(together, answers, truth), np.zeros_like(truth), measured, success)
    print(f"{file.stem:28s} the victim is taken for class {victim[0]}", flush=True)


def learn_last(head: nn.Linear, features: torch.Tensor, labels: torch.Tensor) -> None:
    """Train one linear layer from nothing on what it reads."""
    torch.manual_seed(0)
    head.reset_parameters()
    head.requires_grad_(True)
    steps = 3000
    cycle = OneCycle(list(head.parameters()), 1e-2, steps)
    for _ in range(steps):
        rows = torch.randint(len(labels), (128,))
        loss = functional.cross_entropy(head(features[rows]), labels[rows])
        cycle.step(torch.autograd.grad(loss, cycle.weights))
    head.requires_grad_(False)


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    images, labels = cifar(SAMPLES + HELD_OUT)
    for name in BACKDOORED:
        if asked.only in name:
            poisoned_sets(name, images, labels, asked.folder)
    for name in CLEAN:
        if asked.only in f"polytope-{name}":
            transferred(name, images, labels, asked.folder)


if __name__ == "__main__":
    main()
