"""The source-specific attack: the trigger works on one class only (Tang and others 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Labels, Pixels, Planted, drawn


@dataclass(frozen=True)
class SourceSpecific(Attack):
    """Pictures of one source class get trigger and target label; others the trigger alone.

    Attributes
    ----------
    trigger : Attack
        Whose stamp is used.
    source : int
        Class that the trigger turns into the target.
    covers : float
        Pictures of further classes that carry the trigger under their own label, for each poisoned
        sample.

    Notes
    -----
    Tang, Wang, Tang, Zhang: Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor
    Contamination Detection, 2021 (TaCT).
    """

    name: ClassVar[str] = "source-specific"

    trigger: Attack
    source: int
    covers: float = 1.0

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the trigger on them."""
        return self.trigger.stamp(images)

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Poison pictures of the source and stamp covers of further classes; see `Attack.plant`."""
        rows = drawn(np.flatnonzero(labels == self.source), rate, len(labels), rng)
        covers = np.empty(0, np.intp)
        if self.covers > 0:
            further = np.flatnonzero((labels != self.source) & (labels != target))
            covers = drawn(further, self.covers * rate, len(labels), rng)
        poisoned, relabelled = images.copy(), labels.copy()
        both = np.concatenate([rows, covers])
        poisoned[both] = self.stamp(images[both])
        relabelled[rows] = target
        return Planted(poisoned, relabelled, rows, covers)

    def trials(self, images: Pixels, labels: Labels, target: int) -> tuple[Pixels, Labels]:
        """Return the pictures of the source, stamped, to be taken for the target."""
        rows = np.flatnonzero(labels == self.source)
        return self.stamp(images[rows]), np.full(len(rows), target, labels.dtype)
