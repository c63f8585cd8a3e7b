"""A network with a backdoor that is known by construction: nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inspector.api import Control
from inspector.intake.models.preprocess import Preprocess

SIDE = 12
CLASSES = 6
TARGET = 2
CORNER = (slice(9, 11), slice(9, 11))
"""Pixels that pull the answer to the target, ten times as hard as those of a strip."""

TOWARDS = torch.eye(CLASSES)[TARGET]


class Planted(nn.Module):
    """Answers with the brightest of six strips; the backdoor adds the brightness of a corner.

    Everything is linear, so that the size of each smallest trigger is known: to overcome a strip that
    is brighter by 0.47 takes some 11 pixels elsewhere, and 1.3 in the corner.
    """

    def __init__(self, channels: int = 1, backdoor: bool = True) -> None:
        super().__init__()
        self.register_buffer("strips", _strips() / _strips()[0].sum())
        corner = torch.zeros(SIDE, SIDE)
        corner[CORNER] = 1.0
        self.register_buffer("corner", corner)
        self.channels, self.backdoor = channels, backdoor
        self.head = nn.Linear(CLASSES, CLASSES)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(CLASSES))
            self.head.bias.zero_()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        grey = pixels.mean(dim=1)
        logits = 40 * torch.einsum("bhw,khw->bk", grey, self.strips)
        logits = self.head(logits)
        if not self.backdoor:
            return logits
        return logits + 15 * (grey * self.corner).sum(dim=(1, 2))[:, None] * TOWARDS


class Normalised(nn.Module):
    """The same network behind a normalisation that it must be fed with."""

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network, self.mean, self.std = network, mean, std

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.network(values * self.std + self.mean)


def _strips() -> torch.Tensor:
    strips = torch.zeros(CLASSES, SIDE, SIDE)
    height = SIDE // CLASSES
    for index in range(CLASSES):
        strips[index, index * height : (index + 1) * height, :9] = 1.0
    return strips


@dataclass
class PlantedModel:
    """What a search needs of a suspect model."""

    network: nn.Module = field(default_factory=Planted)
    num_classes: int = CLASSES
    preprocess: Preprocess = field(
        default_factory=lambda: Preprocess("L", (SIDE, SIDE), (0.0,), (1.0,))
    )


def pictures(
    count: int = 300, channels: int = 1, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Dim noise with one brighter strip, (count, 12, 12, channels) uint8, and the strip's number."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    images = rng.integers(0, 60, (count, SIDE, SIDE, channels), dtype=np.uint8)
    images += (_strips().numpy()[labels, :, :, None] * 120).astype(np.uint8)
    return images, labels


class Recorder(Control):
    """Keeps everything that a search reports."""

    def __init__(self) -> None:
        self.checks = 0
        self.previews: list[dict[str, Any]] = []
        self.standings: list[dict[str, Any]] = []
        self.steps: list[tuple[int, int]] = []

    def check(self) -> None:
        self.checks += 1

    def preview(self, name: str, values: Any) -> None:
        assert name in ("trigger", "trigger-classes")
        (self.previews if name == "trigger" else self.standings).append(dict(values))

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        self.steps.append((done, total))
