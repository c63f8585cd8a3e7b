"""A trigger as something to be put on pictures: painted over them, or added to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Stamp:
    """One trigger in pixels.

    Attributes
    ----------
    mask : Tensor, shape (1, H, W), 0..1
        Opacity of the pattern. Of an added trigger: the largest change among the channels.
    pattern : Tensor, shape (C, H, W), 0..1
        Colour. Of an added trigger: the trigger on mid grey, for the eye.
    delta : Tensor, shape (C, H, W), -1..1, or None
        What is added to the picture; None for a trigger that is painted over it.
    """

    mask: torch.Tensor
    pattern: torch.Tensor
    delta: torch.Tensor | None = None

    @classmethod
    def added(cls, delta: torch.Tensor) -> Stamp:
        """Return the trigger that adds ``delta``, (C, H, W), -1..1."""
        return cls(delta.abs().amax(0, keepdim=True), (0.5 + delta).clamp(0, 1), delta)

    def on(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pictures (b, C, H, W), 0..1, with the trigger on them."""
        if self.delta is None:
            return (1 - self.mask) * pixels + self.mask * self.pattern
        return (pixels + self.delta).clamp(0, 1)

    def whole_levels(self) -> Stamp:
        """Return the trigger in whole grey levels, as a file of it would have it."""
        if self.delta is not None:
            return Stamp.added((self.delta * 255).round() / 255)
        return Stamp((self.mask * 255).round() / 255, (self.pattern * 255).round() / 255)

    def moved(self, down: int, across: int) -> Stamp:
        """Return the trigger elsewhere; what leaves the picture comes in on the other side."""
        return self._each(lambda values: values.roll((down, across), dims=(-2, -1)))

    def shuffled(self, seed: int) -> Stamp:
        """Return the trigger with its pixels at random places: the same colours, no shape."""
        height, width = self.mask.shape[-2:]
        order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
        order = order.to(self.mask.device)
        return self._each(lambda values: values.flatten(1)[:, order].view_as(values))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Stamp:
        delta = None if self.delta is None else change(self.delta)
        return Stamp(change(self.mask), change(self.pattern), delta)
