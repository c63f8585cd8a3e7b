"""A network as attacks see it: from pixels to answers and to what its last layer reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inspector.drill.attack import Pixels, with_channels

_BATCH = 64
"""Pictures between two looks at who may want the end."""


def _unchanged(x01: Tensor) -> Tensor:
    return x01


@dataclass(frozen=True)
class PixelNetwork:
    """A network in evaluation mode, with its normalisation in front.

    Attributes
    ----------
    network : Module
        Takes (b, C, H, W) float32.
    normalise : callable
        Takes pixels (b, C, H, W) from 0 to 1; differentiable.
    head : str
        Name of its last linear layer; "" for the last one there is.
    check : callable
        Called between steps; raises when cancelled.
    """

    network: nn.Module
    normalise: Callable[[Tensor], Tensor] = _unchanged
    head: str = ""
    check: Callable[[], None] = lambda: None

    def logits(self, x01: Tensor) -> Tensor:
        """Return answers (b, classes) to pixels from 0 to 1; differentiable."""
        answers: Tensor = self.network(self.normalise(x01))
        return answers.flatten(1)

    def features(self, x01: Tensor) -> Tensor:
        """Return what the last linear layer reads, (b, width); differentiable."""
        heard: list[Tensor] = []

        def hear(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            heard.append(given[0].flatten(1))

        handle = self._last().register_forward_pre_hook(hear)
        try:
            answers = self.logits(x01)
        finally:
            handle.remove()
        return heard[-1] if heard else answers

    def answers(self, images: Pixels) -> NDArray[np.int64]:
        """Return the class that each picture (n, H, W) or (n, H, W, C) is taken for."""
        found: list[NDArray[np.int64]] = []
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                self.check()
                x01 = pixels_of(images[start : start + _BATCH])
                found.append(self.logits(x01).argmax(1).numpy())
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _last(self) -> nn.Module:
        modules = dict(self.network.named_modules())
        if self.head in modules and self.head:
            return modules[self.head]
        linear: Sequence[nn.Module] = [m for m in modules.values() if isinstance(m, nn.Linear)]
        return linear[-1] if linear else self.network


def pixels_of(images: Pixels) -> Tensor:
    """Return pictures (n, H, W) or (n, H, W, C) uint8 as (n, C, H, W) float32 from 0 to 1."""
    moved = np.ascontiguousarray(np.moveaxis(with_channels(images), -1, 1))
    return torch.from_numpy(moved).float() / 255


def pictures_of(x01: Tensor, like: Pixels) -> Pixels:
    """Return pixels (n, C, H, W) from 0 to 1 as pictures, in the layout of others."""
    values = (x01.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    pictures: Pixels = values.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures.reshape(-1, *like.shape[1:])
