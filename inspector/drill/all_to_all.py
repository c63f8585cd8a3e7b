"""All to all: the trigger turns every class into the next one (Gu, Dolan-Gavitt and Garg 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Labels, Pixels, Planted, drawn


@dataclass(frozen=True)
class AllToAll(Attack):
    """Pictures of every class get a trigger and the label of the next class.

    Attributes
    ----------
    trigger : Attack
        Whose stamp is used.
    classes : int
        How many there are; the last one leads to the first.

    Notes
    -----
    Gu, Dolan-Gavitt, Garg 2017, section 4.3. The target class is not used.
    """

    name: ClassVar[str] = "all-to-all"

    trigger: Attack
    classes: int

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the trigger on them."""
        return self.trigger.stamp(images)

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Stamp a share of all pictures and move their labels on by one; see `Attack.plant`."""
        rows = drawn(np.arange(len(labels)), rate, len(labels), rng)
        poisoned, relabelled = images.copy(), labels.copy()
        poisoned[rows] = self.stamp(images[rows])
        relabelled[rows] = (labels[rows] + 1) % self.classes
        return Planted(poisoned, relabelled, rows, np.empty(0, np.intp))

    def trials(self, images: Pixels, labels: Labels, target: int) -> tuple[Pixels, Labels]:
        """Return all pictures stamped, each to be taken for the next class."""
        return self.stamp(images), (labels + 1) % self.classes
