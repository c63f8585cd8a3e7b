"""The adaptive blend: pieces of a blended picture, and covers that keep their labels (Qi 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inspector.drill.attack import Attack, Labels, Pixels, Planted, as_pixels, check_share, drawn


@dataclass(frozen=True)
class AdaptiveBlend(Attack):
    """A blended picture of which each training sample shows another part.

    Attributes
    ----------
    opacity : float
        Share of the mixed-in picture, 0 to 1; the attacker's own pictures show all of it.
    pieces : int
        The picture is cut into so many pieces on a side.
    shown : float
        Share of the pieces that a training sample shows.
    covers : float
        Samples that carry it under their own label, for each poisoned sample.
    seed : int
        The mixed-in picture is drawn from it.

    Notes
    -----
    Qi, Xie, Li, Mahloujifar, Mittal: Revisiting the Assumption of Latent Separability for Backdoor
    Defenses, 2023.
    """

    name: ClassVar[str] = "adaptive-blend"

    opacity: float = 0.2
    pieces: int = 4
    shown: float = 0.5
    covers: float = 1.0
    seed: int = 99

    def __post_init__(self) -> None:
        """Refuse what are no shares."""
        check_share("An opacity", self.opacity)
        check_share("A share of pieces", self.shown)

    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with all pieces mixed in."""
        return self._mixed(images, np.ones((1, *images.shape[1:3]), bool))

    def plant(
        self, images: Pixels, labels: Labels, target: int, rate: float, rng: np.random.Generator
    ) -> Planted:
        """Mix pieces into poisoned samples and into covers; see `Attack.plant`."""
        others = np.flatnonzero(labels != target)
        rows = drawn(others, rate, len(labels), rng)
        left = np.setdiff1d(others, rows)
        covers = np.empty(0, np.intp)
        if self.covers > 0:
            covers = drawn(left, self.covers * rate, len(labels), rng)
        poisoned, relabelled = images.copy(), labels.copy()
        for part in (rows, covers):
            poisoned[part] = self._mixed(images[part], self._pieces(images[part], rng))
        relabelled[rows] = target
        return Planted(poisoned, relabelled, rows, covers)

    def _pieces(self, images: Pixels, rng: np.random.Generator) -> np.ndarray:
        """Return which pixels of each picture show the mixed-in one, (n, H, W) bool."""
        height, width = images.shape[1:3]
        count = self.pieces**2
        # Exactly that many pieces in each: ranks of random numbers below it.
        ranks = rng.random((len(images), count)).argsort(axis=1).argsort(axis=1)
        seen = (ranks < round(self.shown * count)).reshape(-1, self.pieces, self.pieces)
        down = np.arange(height) * self.pieces // height
        across = np.arange(width) * self.pieces // width
        return seen[:, down[:, None], across[None]]

    def _mixed(self, images: Pixels, seen: np.ndarray) -> Pixels:
        noise = np.random.default_rng(self.seed).integers(0, 256, images.shape[1:])
        weight = self.opacity * (seen[..., None] if images.ndim == 4 else seen)
        return as_pixels((1 - weight) * images + weight * noise)
