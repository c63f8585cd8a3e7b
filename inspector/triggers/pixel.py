"""Pixel inversion: the fewest pixels that, made brighter or darker, turn pictures into a class.

Tao, Shen, Liu, An, Xu, Ma, Zhang: Better Trigger Inversion Optimization in Backdoor Scanning,
CVPR 2022. There is no mask: what is added (b⁺) and what is taken away (b⁻) are free on their own, so
that a pixel can come back from either end, and the penalty counts touched pixels, through the
channel that changes most, nearly regardless of how much they change.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from inspector.triggers.forms import to_unit
from inspector.triggers.method import MethodInfo
from inspector.triggers.penalty import Settings
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search
from inspector.triggers.smallest import smallest_triggers
from inspector.triggers.stamp import Stamp

METHOD = "pixel"

_START = -2.0
"""Below five grey levels: where the count of touched pixels still has a slope."""

_LEVELS = 10 / 255
"""A change of this much counts for three quarters of a pixel."""


_SETTINGS = Settings(rate=0.1)
"""With larger steps the counted pixels saturate and hardly come back."""


class SignedPixels:
    """What is added to a picture and what is taken away, per pixel and channel."""

    def __init__(self, count: int, shape: tuple[int, int, int], device: torch.device) -> None:
        self.thetas = [torch.full((count, *shape), _START, device=device) for _ in range(2)]

    def values(self, *thetas: torch.Tensor) -> list[torch.Tensor]:
        """Return both, 0..1."""
        return [to_unit(theta) for theta in thetas]

    def sizes(self, *values: torch.Tensor) -> torch.Tensor:
        """Return how many pixels are touched, brighter and darker counted apart."""
        touched = [torch.tanh(value / _LEVELS).amax(dim=1) for value in values]
        return torch.stack(touched).sum(dim=(0, 2, 3))

    def stamp(self, pixels: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        """Add one, take away the other, and stay within the pixels' range."""
        brighter, darker = values
        return (pixels + brighter - darker).clamp(0, 1)

    def trigger(self, *values: torch.Tensor) -> Stamp:
        """Return the sum of both."""
        return Stamp.added(values[0] - values[1])


class Pixel:
    """The method behind ``--method pixel``."""

    info = MethodInfo(
        id=METHOD,
        title="Pixel inversion",
        summary="The fewest pixels that, made brighter or darker, turn pictures into each class.",
        version="1.1",
        reference="Tao et al. 2022, CVPR",
        rung=100,
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search all classes side by side."""
        return smallest_triggers(search, METHOD, SignedPixels, _SETTINGS)


METHODS = [Pixel]
