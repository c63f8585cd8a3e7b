"""A trigger as something to be put on pictures: painted over them, added to them, or changing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from inspector.triggers.transformation import Transformation


@dataclass(frozen=True)
class Stamp:
    """One trigger in pixels.

    Attributes
    ----------
    mask : Tensor, shape (1, H, W), 0..1
        Opacity of the pattern. Of an added trigger: the largest change among the channels. Of a
        transformation: the mean of that over some pictures.
    pattern : Tensor, shape (C, H, W), 0..1
        Colour. Of an added trigger: the trigger on mid grey, for the eye. Of a transformation: its
        mean change, on mid grey.
    delta : Tensor, shape (C, H, W), -1..1, or None
        What is added to the picture; None for any other trigger.
    transformation : Transformation or None
        What changes the picture, each in its own way; None for a trigger that is always the same.
    """

    mask: torch.Tensor
    pattern: torch.Tensor
    delta: torch.Tensor | None = None
    transformation: Transformation | None = None

    @classmethod
    def added(cls, delta: torch.Tensor) -> Stamp:
        """Return the trigger that adds ``delta``, (C, H, W), -1..1."""
        return cls(delta.abs().amax(0, keepdim=True), (0.5 + delta).clamp(0, 1), delta)

    @classmethod
    def changing(cls, transformation: Transformation, pictures: torch.Tensor) -> Stamp:
        """Return a trigger that transforms; mask and pattern tell what it does to some pictures.

        Parameters
        ----------
        transformation : Transformation
        pictures : Tensor, shape (b, C, H, W), 0..1
        """
        change = transformation.on(pictures) - pictures
        mask = change.abs().amax(1, keepdim=True).mean(0)
        return cls(mask, (0.5 + change.mean(0)).clamp(0, 1), None, transformation)

    def on(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return pictures (b, C, H, W), 0..1, with the trigger on them."""
        if self.transformation is not None:
            return self.transformation.on(pixels)
        if self.delta is None:
            return (1 - self.mask) * pixels + self.mask * self.pattern
        return (pixels + self.delta).clamp(0, 1)

    def whole_levels(self) -> Stamp:
        """Return the trigger in whole grey levels, as a file of it would have it.

        A transformation stays as it is: only what it makes has grey levels.
        """
        if self.transformation is not None:
            return self
        if self.delta is not None:
            return Stamp.added((self.delta * 255).round() / 255)
        return Stamp((self.mask * 255).round() / 255, (self.pattern * 255).round() / 255)

    def moved(self, down: int, across: int) -> Stamp:
        """Return the trigger elsewhere; what leaves the picture comes in on the other side."""
        stamp = self._each(lambda values: values.roll((down, across), dims=(-2, -1)))
        if self.transformation is None:
            return stamp
        return replace(stamp, transformation=self.transformation.moved())

    def shuffled(self, seed: int) -> Stamp:
        """Return the trigger with its pixels at random places: the same colours, no shape."""
        height, width = self.mask.shape[-2:]
        order = torch.randperm(height * width, generator=torch.Generator().manual_seed(seed))
        order = order.to(self.mask.device)
        stamp = self._each(lambda values: values.flatten(1)[:, order].view_as(values))
        if self.transformation is None:
            return stamp
        return replace(stamp, transformation=self.transformation.shuffled(seed))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Stamp:
        delta = None if self.delta is None else change(self.delta)
        return Stamp(change(self.mask), change(self.pattern), delta)
