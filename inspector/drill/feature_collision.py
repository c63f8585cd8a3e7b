"""Feature collision: pictures that the network takes for one victim (Shafahi and others 2018)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from inspector.drill.attack import Attack, Labels, Pixels, Planted, drawn
from inspector.drill.pixel_network import PixelNetwork, pictures_of, pixels_of


@dataclass(frozen=True, eq=False)
class FeatureCollision(Attack):
    """Pictures of the target class whose features are drawn to those of one victim picture.

    Nothing is stamped: the attacker waits until the network takes the victim for the target.

    Attributes
    ----------
    victim : ndarray, shape (H, W) or (H, W, C), uint8
        A picture of another class that is not in the training data.
    network : PixelNetwork
        Its features are drawn together.
    watermark : float
        Share of the victim that is mixed into each picture first, 0 to 1.
    pull : float
        How strongly a picture is drawn back to where it began; 0 lets it go anywhere.
    steps : int
        Of the forward-backward splitting.

    Notes
    -----
    Shafahi, Huang, Najibi, Suciu, Studer, Dumitras, Goldstein: Poison Frogs! Targeted Clean-Label
    Poisoning Attacks on Neural Networks, 2018. Steps have a fixed length in pixels that shrinks, in
    place of a fixed factor of the slope, whose scale differs from network to network.
    """

    name: ClassVar[str] = "feature-collision"
    clean_label: ClassVar[bool] = True

    victim: Pixels = field(repr=False)
    network: PixelNetwork = field(repr=False)
    watermark: float = 0.2
    pull: float = 0.02
    steps: int = 60

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures: this attack has no trigger."""
        return images.copy()

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Make a share of the dataset, all from the target, collide; see `Attack.plant`."""
        rows = drawn(np.flatnonzero(labels == target), rate, len(labels), rng)
        poisoned = images.copy()
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            poisoned[part] = self._collided(images[part])
        return Planted(poisoned, labels.copy(), rows, np.empty(0, np.intp))

    def trials(self, images: Pixels, labels: Labels, target: int) -> tuple[Pixels, Labels]:
        """Return the victim alone, to be taken for the target."""
        return self.victim[None].copy(), np.array([target], labels.dtype)

    def _collided(self, images: Pixels) -> Pixels:
        victim = pixels_of(self.victim[None])
        base = (1 - self.watermark) * pixels_of(images) + self.watermark * victim
        with torch.no_grad():
            goal = self.network.features(victim)
        x, count = base, base[0].numel()
        for step in range(self.steps):
            self.network.check()
            x = x.detach().requires_grad_(True)
            distance = (self.network.features(x) - goal).pow(2).sum()
            (slope,) = torch.autograd.grad(distance, x)
            length = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            stride = 0.05 * count**0.5 * (1 - step / self.steps)
            x = x.detach() - stride * slope / length
            x = ((x + self.pull * base) / (1 + self.pull)).clamp(0, 1)
        return pictures_of(x, images)
