"""The label-consistent attack: pictures made hard to learn, then stamped (Turner and others 2019)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from inspector.drill.attack import Attack, Labels, Pixels, Planted, drawn
from inspector.drill.pixel_network import PixelNetwork, pictures_of, pixels_of


@dataclass(frozen=True)
class LabelConsistent(Attack):
    """Pictures of the target class are disturbed until the trigger is what is easiest to learn.

    Attributes
    ----------
    trigger : Attack
        Whose stamp is used.
    network : PixelNetwork
        The disturbance makes its answers wrong.
    radius : float
        Largest change of a pixel by the disturbance, in grey levels of 255.
    steps : int
        Of the projected gradient ascent (Madry and others 2018).

    Notes
    -----
    Turner, Tsipras, Madry: Label-Consistent Backdoor Attacks, 2019.
    """

    name: ClassVar[str] = "label-consistent"
    clean_label: ClassVar[bool] = True

    trigger: Attack
    network: PixelNetwork = field(repr=False)
    radius: float = 32.0
    steps: int = 10

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the trigger on them, undisturbed."""
        return self.trigger.stamp(images)

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Disturb and stamp a share of the dataset, all from the target; see `Attack.plant`."""
        rows = drawn(np.flatnonzero(labels == target), rate, len(labels), rng)
        poisoned = images.copy()
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            poisoned[part] = self.trigger.stamp(self._disturbed(images[part], target))
        return Planted(poisoned, labels.copy(), rows, np.empty(0, np.intp))

    def _disturbed(self, images: Pixels, target: int) -> Pixels:
        clean = pixels_of(images)
        radius, answers = self.radius / 255, torch.full((len(images),), target)
        x = clean
        for _ in range(self.steps):
            self.network.check()
            x = x.detach().requires_grad_(True)
            loss = functional.cross_entropy(self.network.logits(x), answers)
            (slope,) = torch.autograd.grad(loss, x)
            x = x.detach() + 2.5 * radius / self.steps * slope.sign()
            x = torch.clamp(torch.minimum(torch.maximum(x, clean - radius), clean + radius), 0, 1)
        return pictures_of(x, images)
