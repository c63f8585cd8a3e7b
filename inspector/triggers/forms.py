"""What a trigger may consist of: the free numbers of a search, and how they change a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from inspector.triggers.stamp import Stamp


class Form(Protocol):
    """The triggers of several classes (k) as tensors that are free to change.

    Attributes
    ----------
    thetas : list of Tensor, shape (k, ...)
        Without bounds; a search changes them in place.
    """

    thetas: list[torch.Tensor]

    def values(self, *thetas: torch.Tensor) -> list[torch.Tensor]:
        """Return what the free numbers stand for, (k, ...), within bounds; differentiable."""
        ...

    def sizes(self, *values: torch.Tensor) -> torch.Tensor:
        """Return how much of each trigger there is, (k,), in pixels; differentiable."""
        ...

    def stamp(self, pixels: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        """Put one trigger on each picture (b, C, H, W), 0..1; ``values`` are (b, ...)."""
        ...

    def trigger(self, *values: torch.Tensor) -> Stamp:
        """Return one trigger, its values without the first axis."""
        ...


MakeForm = Callable[[int, tuple[int, int, int], torch.device], Form]
"""Makes the form for k classes and pictures of (C, H, W) on a device."""

# The authors of Neural Cleanse start from random noise. There tanh is saturated at many pixels, which
# then hardly move: with a 3×3 patch planted in Fashion-MNIST, one random start in eight never found
# it. From a faint even mask (opacity 0.12) over grey, twelve of twelve did.
FAINT = -1.0


def to_unit(theta: torch.Tensor) -> torch.Tensor:
    """Map free numbers to 0..1."""
    return torch.tanh(theta) / 2 + 0.5
