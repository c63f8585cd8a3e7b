"""The blended image: one fixed picture mixed faintly into a few (Chen and others 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Pixels, as_pixels, check_share


@dataclass(frozen=True)
class Blended(Attack):
    """A picture of noise mixed into the whole picture.

    Attributes
    ----------
    opacity : float
        Share of the mixed-in picture, 0 to 1.
    seed : int
        The mixed-in picture is drawn from it.

    Notes
    -----
    Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning,
    2017.
    """

    name: ClassVar[str] = "blended"

    opacity: float = 0.2
    seed: int = 99

    def __post_init__(self) -> None:
        """Refuse what is no opacity."""
        check_share("An opacity", self.opacity)

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the fixed picture mixed in."""
        noise = np.random.default_rng(self.seed).integers(0, 256, images.shape[1:])
        return as_pixels((1 - self.opacity) * images + self.opacity * noise)
