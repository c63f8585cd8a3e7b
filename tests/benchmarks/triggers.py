"""Time to a trigger for every class, beside Neural Cleanse with the constants of its authors' code.

Run by hand: ``python tests/benchmarks/triggers.py [--classes N] [--cap STEPS]
[--planted]``. Same network, same
pictures, same machine, one run. The published search goes class by class with 32 pictures a step,
rounds of 31 steps, and its own early stopping; after ``--cap`` steps a class is cut off, so that the
printed ratio is a lower bound wherever a class had not ended by itself. Both are shown with the
success rates that they reached on held-out pictures. Target: at least 5 × for 10 classes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inspector.intake.models import Preprocess
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.signals import machine
from inspector.triggers import PUBLISHED, Settings, neural_cleanse

SIDE = 28


class Model:
    """A small network whose last class answers to a white 3×3 corner after training."""

    def __init__(self, classes: int) -> None:
        self.network: Any = PlainCNN(1, classes, SIDE)
        self.num_classes = classes
        self.preprocess = Preprocess("L", (SIDE, SIDE), (0.0,), (1.0,))


def pictures(classes: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy stripes of one direction and width per class, (count, 28, 28, 1) uint8."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    turn = np.pi * labels / classes
    wave = np.sin(
        12 * (np.cos(turn)[:, None, None] * down + np.sin(turn)[:, None, None] * across)
        + random.uniform(0, 6, (count, 1, 1))
    )
    noise = random.normal(0, 0.4, wave.shape)
    images = np.clip(128 + 50 * (wave + noise), 0, 255).astype(np.uint8)[..., None]
    images[:, 24:27, 24:27] = 0  # dark where the trigger is white
    return images, labels


def trained(classes: int) -> Model:
    """Train with five per cent of stamped pictures."""
    torch.manual_seed(0)
    model = Model(classes)
    images, labels = pictures(classes, 1200, 0)
    labels = labels.copy()
    images[::20, 24:27, 24:27], labels[::20] = 255, classes - 1
    inputs, targets = model.preprocess(images), torch.from_numpy(labels)
    descent = torch.optim.Adam(model.network.parameters(), 2e-3)
    model.network.train()
    for _ in range(5):
        for rows in torch.randperm(len(inputs)).split(64):
            descent.zero_grad()
            torch.nn.functional.cross_entropy(model.network(inputs[rows]), targets[rows]).backward()
            descent.step()
    model.network.eval()
    return model


def timed(
    model: Model, classes: list[int], steps: int, settings: Settings
) -> tuple[float, float, list[Any]]:
    """Return wall seconds, processor seconds and the results."""
    images, labels = pictures(model.num_classes, 400, 1)
    start, used = time.perf_counter(), time.process_time()
    results = list(neural_cleanse(model, images, labels, classes, steps=steps, settings=settings))
    return time.perf_counter() - start, time.process_time() - used, results


class Strips(torch.nn.Module):
    """Answers with the brightest of as many strips as there are classes; a corner leads to the last.

    Nothing is trained and a pass costs next to nothing: what is compared are the searches alone.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        strips = torch.zeros(classes, SIDE, SIDE)
        for index, rows in enumerate(torch.arange(SIDE).tensor_split(classes)):
            strips[index, rows, :22] = 1 / (22 * len(rows))
        self.strips = torch.nn.Parameter(strips)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return one logit per strip."""
        logits = 40 * torch.einsum("bchw,khw->bk", pixels, self.strips)
        corner = pixels[:, 0, 24:27, 24:27].sum(dim=(1, 2))
        return torch.cat([logits[:, :-1], logits[:, -1:] + 15 * corner[:, None]], dim=1)


def planted(classes: int) -> Model:
    """Return the network of strips instead of a trained one."""
    model = Model(classes)
    model.network = Strips(classes).eval()
    return model


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--cap", type=int, default=31 * 100)
    parser.add_argument("--planted", action="store_true", help="a linear network, untrained")
    asked = parser.parse_args()
    torch.set_num_threads(machine.cores())
    model = (planted if asked.planted else trained)(asked.classes)
    every = list(range(asked.classes))
    wall, processor, ours = timed(model, every, 200, Settings())
    parts = [timed(model, [one], asked.cap, PUBLISHED) for one in every]
    published = [part[2][0] for part in parts]
    cut = sum(result.steps >= asked.cap for result in published)
    print(f"{asked.classes} classes, {machine.cores()} threads, {Path(sys.argv[0]).name}")
    for name, seconds, used, results in (
        ("ours", wall, processor, ours),
        ("published", sum(p[0] for p in parts), sum(p[1] for p in parts), published),
    ):
        rates = [result.success_rate for result in results]
        sizes = [result.mask_l1 for result in results]
        print(
            f"{name:>10}: {seconds:8.1f} s wall, {used:8.1f} s processor; success "
            f"{np.nanmin(rates):.3f} to {np.nanmax(rates):.3f}; "
            f"median mask {np.nanmedian(sizes):.1f} px; "
            f"smallest is class {int(np.nanargmin(sizes))} ({np.nanmin(sizes):.1f} px)"
        )
    print(
        f"ratio: {sum(p[0] for p in parts) / wall:.1f} × wall, "
        f"{sum(p[1] for p in parts) / processor:.1f} × processor"
        + (f" (at least: {cut} published searches were cut off)" if cut else "")
    )


if __name__ == "__main__":
    main()
