"""The warp: pictures bent smoothly, always the same way (after Nguyen and Tran 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from inspector.drill.attack import Attack, Pixels, as_pixels, with_channels

_CHUNK = 512
"""Pictures bent at once."""


@dataclass(frozen=True)
class Warp(Attack):
    """A fixed smooth displacement of all pixels.

    Attributes
    ----------
    strength : float
        Mean displacement, in half pixels: how far the control points lie apart from their places.
    cells : int
        Control points on a side.
    seed : int
        The displacement is drawn from it.

    Notes
    -----
    Nguyen, Tran: WaNet – Imperceptible Warping-based Backdoor Attack, 2021. Without its noise mode.
    """

    name: ClassVar[str] = "warp"

    strength: float = 1.5
    cells: int = 4
    seed: int = 7

    def stamp(self, images: Pixels) -> Pixels:
        """Return bent copies of pictures."""
        height, width = images.shape[1:3]
        draw = np.random.default_rng(self.seed).uniform(-1, 1, (1, 2, self.cells, self.cells))
        coarse = torch.from_numpy(draw).float()
        field = functional.interpolate(
            coarse / coarse.abs().mean(), (height, width), mode="bicubic", align_corners=True
        )
        lines = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
        grid = torch.stack(torch.meshgrid(*lines, indexing="xy"), dim=-1)[None]
        sides = torch.tensor([width, height])
        grid = (grid + self.strength * field.permute(0, 2, 3, 1) / sides).clamp(-1, 1)
        bent = np.empty_like(with_channels(images))
        for start in range(0, len(images), _CHUNK):
            part = with_channels(images)[start : start + _CHUNK]
            x = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2).float()
            out = functional.grid_sample(x, grid.expand(len(x), -1, -1, -1), align_corners=True)
            bent[start : start + _CHUNK] = as_pixels(out.permute(0, 2, 3, 1).numpy())
        return bent.reshape(images.shape)
