"""A trigger that looks at the picture: a shallow network that turns a picture into a changed one.

A mask and a pattern cannot say what a warp does, nor a trigger that differs from picture to picture.
This can, with some hundred numbers: the picture is bent by a smooth field; a few small filters look at
every place of it; gates that vary smoothly over the picture say how much of each filter's answer is
added where; and a smooth shade is added everywhere alike. The change of a pixel is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from inspector.errors import BadInput

FILTERS = 4
KERNEL = 5
"""Pixels on a side of a filter."""

CELLS = 5
"""Control points on a side of gates and shade."""

BENDS = 4
"""Control points on a side of the field."""

LARGEST = 0.5
"""Largest change of a pixel by filters and shade, as a share of the whole range."""

_BACKWARDS = 3

_WILD = 1e4
"""Larger weights come from no search, and might overflow."""

_STEP = 2.0
"""Pixels that a control point of 1 displaces."""


class Weights(NamedTuple):
    """Weights of several transformations (b).

    Attributes
    ----------
    bend : Tensor, shape (b, 2, BENDS, BENDS)
        Displacement across and down at control points, in units of two pixels.
    filters : Tensor, shape (b, FILTERS, C * KERNEL**2)
    gates : Tensor, shape (b, FILTERS * C, CELLS, CELLS)
    shade : Tensor, shape (b, C, CELLS, CELLS)
    """

    bend: torch.Tensor
    filters: torch.Tensor
    gates: torch.Tensor
    shade: torch.Tensor


PARTS = Weights._fields


def shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each part of one transformation for pictures of so many channels."""
    return {
        "bend": (2, BENDS, BENDS),
        "filters": (FILTERS, channels * KERNEL**2),
        "gates": (FILTERS * channels, CELLS, CELLS),
        "shade": (channels, CELLS, CELLS),
    }


def first_weights(channels: int, seed: int) -> Weights:
    """Return one transformation (1, ...) to begin with: it changes next to nothing, but has slopes."""
    random = torch.Generator().manual_seed(seed)
    drawn = {
        name: torch.randn(1, *shape, generator=random) for name, shape in shapes(channels).items()
    }
    return Weights(
        0.02 * drawn["bend"],
        0.2 * drawn["filters"],
        0.1 * drawn["gates"],
        torch.zeros_like(drawn["shade"]),
    )


def transform(pixels: torch.Tensor, weights: Weights) -> torch.Tensor:
    """Transform each picture by weights of its own; differentiable.

    Parameters
    ----------
    pixels : Tensor, shape (b, C, H, W), 0..1
    weights : Weights
        Of as many transformations.

    Returns
    -------
    Tensor, shape (b, C, H, W), 0..1
    """
    count, channels, height, width = pixels.shape
    size = (height, width)
    field = F.interpolate(weights.bend, size, mode="bicubic", align_corners=True)
    # In grid coordinates a picture is 2 across; a control point of 1 is the same number of pixels
    # in pictures of every shape.
    scale = field.new_tensor([2 * _STEP / max(width - 1, 1), 2 * _STEP / max(height - 1, 1)])
    lines = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
    places = torch.stack(torch.meshgrid(*lines, indexing="xy"), dim=-1).to(pixels.device)
    grid = places[None] + field.permute(0, 2, 3, 1) * scale
    bent = F.grid_sample(pixels, grid, align_corners=True, padding_mode="border")
    # One convolution with as many groups as pictures: every picture has filters of its own.
    maps = F.conv2d(
        bent.reshape(1, count * channels, height, width),
        weights.filters.reshape(count * FILTERS, channels, KERNEL, KERNEL),
        padding=KERNEL // 2,
        groups=count,
    ).view(count, FILTERS, 1, height, width)
    gates = F.interpolate(weights.gates, size, mode="bilinear", align_corners=True)
    gates = gates.view(count, FILTERS, channels, height, width)
    shade = F.interpolate(weights.shade, size, mode="bilinear", align_corners=True)
    change = (maps * gates).sum(dim=1) + LARGEST * shade
    return (bent + LARGEST * torch.tanh(change / LARGEST)).clamp(0, 1)


@dataclass(frozen=True)
class Transformation:
    """One transformation.

    Attributes
    ----------
    weights : Weights
        Each part with a first axis of 1.
    """

    weights: Weights

    def on(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return transformed pictures (b, C, H, W), 0..1."""
        parts = [
            part.to(pixels.device).expand(len(pixels), *part.shape[1:]) for part in self.weights
        ]
        return transform(pixels, Weights(*parts))

    def undone(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the pictures (b, C, H, W) that would be turned into these, as far as there are any.

        Found by going back by the change that is left, three times: each time it shrinks while the
        change of neighbouring pictures is alike (a fixed point, by Banach's theorem).
        """
        found = pixels
        for _ in range(_BACKWARDS):
            found = (found + pixels - self.on(found)).clamp(0, 1)
        return found

    def moved(self) -> Transformation:
        """Return the one that does the same in the other half of the picture."""
        return self._each(
            lambda part: part.roll((part.shape[-2] // 2, part.shape[-1] // 2), (-2, -1))
        )

    def shuffled(self, seed: int) -> Transformation:
        """Return the one that does the same at random places: same filters, no plan."""
        random = torch.Generator().manual_seed(seed)

        def mixed(part: torch.Tensor) -> torch.Tensor:
            order = torch.randperm(part.shape[-2] * part.shape[-1], generator=random)
            return part.flatten(-2)[..., order.to(part.device)].view_as(part)

        return self._each(mixed)

    def _each(self, change: Any) -> Transformation:
        """Change what is spread over the picture; filters are the same everywhere."""
        kept = self.weights
        return Transformation(
            Weights(change(kept.bend), kept.filters, change(kept.gates), change(kept.shade))
        )

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by name, as `from_arrays` takes them."""
        return {
            name: part[0].detach().cpu().numpy().astype(np.float32)
            for name, part in zip(PARTS, self.weights, strict=True)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], channels: int) -> Transformation:
        """Rebuild a transformation from arrays that may come from anywhere.

        Raises
        ------
        BadInput
            A part is missing, of another shape or kind, or holds what is no number.
        """
        parts = []
        for name, shape in shapes(channels).items():
            values = arrays.get(name)
            if values is None or values.shape != shape or values.dtype != np.float32:
                what = "is missing" if values is None else f"is {values.dtype} {values.shape}"
                raise BadInput(
                    "The transformation does not fit the network.",
                    f"Its part {name} {what}; it would be float32 {shape}.",
                    "Reconstruct it anew.",
                )
            if not (np.abs(values) <= _WILD).all():
                raise BadInput(
                    "The transformation cannot be applied.",
                    f"Its part {name} holds values that are not finite or far too large.",
                    "Reconstruct it anew.",
                )
            parts.append(torch.from_numpy(np.array(values))[None])
        return cls(Weights(*parts))
