"""Opacity-aware search: the faintest picture that, blended over others, turns them into a class.

For triggers that lie over the whole picture (Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on
Deep Learning Systems Using Data Poisoning, 2017), where the smallest patch says nothing: the mask is
one opacity for all pixels, and what is kept small is that opacity. The pattern has half the
resolution of the pictures. A trigger that is a picture of something survives that; the fine noise
to which every network answers does not, and would otherwise be about as faint for every class.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from inspector.triggers.forms import FAINT, to_unit
from inspector.triggers.method import MethodInfo
from inspector.triggers.neural_cleanse import Patch
from inspector.triggers.penalty import Settings
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search
from inspector.triggers.smallest import smallest_triggers

METHOD = "blended"
_COARSER = 2


class Blend(Patch):
    """One opacity and one coarse pattern per class."""

    def __init__(self, count: int, shape: tuple[int, int, int], device: torch.device) -> None:
        channels, height, width = shape
        self._size = (height, width)
        coarse = (-(-height // _COARSER), -(-width // _COARSER))
        self.thetas = [
            torch.full((count, 1, 1, 1), FAINT, device=device),
            torch.zeros(count, channels, *coarse, device=device),
        ]

    def values(self, *thetas: torch.Tensor) -> list[torch.Tensor]:
        """Return masks and patterns, 0..1, at the size of the pictures."""
        opacity, coarse = (to_unit(theta) for theta in thetas)
        pattern = F.interpolate(coarse, self._size, mode="bilinear", align_corners=False)
        return [opacity.expand(-1, 1, *self._size), pattern]


class Blended:
    """The method behind ``--method blended``."""

    info = MethodInfo(
        id=METHOD,
        title="Blended picture",
        summary="The faintest picture that, blended over others, turns them into each class.",
        version="1.1",
        reference="Chen et al. 2017, arXiv:1712.05526 (the attack that it looks for)",
        rung=80,
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search all classes side by side."""
        return smallest_triggers(search, METHOD, Blend, Settings())


METHODS = [Blended]
