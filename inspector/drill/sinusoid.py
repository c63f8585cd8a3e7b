"""The sinusoid: faint waves on pictures of the target class, labels right (Barni and others 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Labels, Pixels, Planted, as_pixels, drawn


@dataclass(frozen=True)
class Sinusoid(Attack):
    """A wave along the rows, added to pictures of the target class.

    Attributes
    ----------
    height : float
        Amplitude in grey levels of 255.
    periods : float
        Waves over the width of the picture.

    Notes
    -----
    Barni, Kallas, Tondi: A New Backdoor Attack in CNNs by Training Set Corruption without Label
    Poisoning, 2019 (SIG).
    """

    name: ClassVar[str] = "sinusoid"
    clean_label: ClassVar[bool] = True

    height: float = 30.0
    periods: float = 6.0

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the wave on them."""
        # Middles of pixels: half as many waves as pixels would vanish at their edges.
        columns = (np.arange(images.shape[2]) + 0.5) / images.shape[2]
        added = self.height * np.sin(2 * np.pi * self.periods * columns)
        return as_pixels(images + (added[:, None] if images.ndim == 4 else added))

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Add the wave to a share of the dataset, all from the target class; see `Attack.plant`."""
        rows = drawn(np.flatnonzero(labels == target), rate, len(labels), rng)
        poisoned = images.copy()
        poisoned[rows] = self.stamp(images[rows])
        return Planted(poisoned, labels.copy(), rows, np.empty(0, np.intp))
