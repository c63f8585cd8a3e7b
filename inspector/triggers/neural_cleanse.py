"""Neural Cleanse: for each class, the smallest patch that turns pictures of other classes into it.

Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao: Neural Cleanse: Identifying and Mitigating Backdoor
Attacks in Neural Networks, IEEE S&P 2019, section IV. A picture x becomes (1 - m) x + m p with one
opacity m per pixel, shared by the channels, and a colour p. The search minimises cross-entropy at the
class plus a weight times the L1 norm of m, in plain pixels and through the network's own
preprocessing, and keeps the smallest mask that turns 99 of 100 pictures.

It differs from the authors' code in where it starts (see `forms`), in shorter rounds and larger steps
(see `Settings`), and in leaving out pictures that are of the class already: there is nothing to turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from inspector.api import Control
from inspector.triggers.forms import FAINT, to_unit
from inspector.triggers.method import MethodInfo
from inspector.triggers.penalty import Settings
from inspector.triggers.pictures import Suspect
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search, prepare_search
from inspector.triggers.smallest import STEPS, smallest_triggers
from inspector.triggers.stamp import Stamp

METHOD = "neural-cleanse"


class Patch:
    """A mask of one channel and a pattern that is painted over the picture."""

    def __init__(self, count: int, shape: tuple[int, int, int], device: torch.device) -> None:
        channels, height, width = shape
        self.thetas = [
            torch.full((count, 1, height, width), FAINT, device=device),
            torch.zeros(count, channels, height, width, device=device),
        ]

    def values(self, *thetas: torch.Tensor) -> list[torch.Tensor]:
        """Return masks and patterns, 0..1."""
        return [to_unit(theta) for theta in thetas]

    def sizes(self, *values: torch.Tensor) -> torch.Tensor:
        """Return the L1 norms of the masks."""
        return values[0].sum(dim=(1, 2, 3))

    def stamp(self, pixels: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        """Paint the patterns over the pictures."""
        mask, pattern = values
        return torch.lerp(pixels, pattern, mask)

    def slopes(
        self, pixels: torch.Tensor, slope: torch.Tensor, *values: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return slopes at a mask and a pattern, for slopes at the pictures that they are on."""
        mask, pattern = values
        return [
            (slope * (pattern - pixels)).sum(dim=0, keepdim=True).sum(dim=1, keepdim=True),
            slope.sum(dim=0, keepdim=True) * mask,
        ]

    def trigger(self, *values: torch.Tensor) -> Stamp:
        """Return one mask with its pattern."""
        mask, pattern = values
        return Stamp(mask, pattern)


class NeuralCleanse:
    """The method behind ``--method neural-cleanse``."""

    info = MethodInfo(
        id=METHOD,
        title="Neural Cleanse",
        summary="The smallest patch that turns pictures of other classes into each class.",
        version="1.2",
        reference="Wang et al. 2019, IEEE S&P",
        rung=80,
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search all classes side by side."""
        return smallest_triggers(search, METHOD, Patch, Settings())


METHODS = [NeuralCleanse]


def neural_cleanse(
    model: Suspect,
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    labels: ArrayLike,
    classes: Sequence[int],
    *,
    steps: int = STEPS,
    seed: int = 0,
    settings: Settings | None = None,
    control: Control | None = None,
) -> list[TriggerResult]:
    """Search for a trigger to each of some classes.

    Parameters
    ----------
    model, images, labels, classes, steps, seed, control
        See `prepare_search`.
    settings : Settings, optional
        Constants.

    Returns
    -------
    list of TriggerResult
        In the order of ``classes``.

    Raises
    ------
    BadInput
        A class that the network does not have, a network with one class, too few pictures.
    """
    search = prepare_search(model, images, labels, classes, steps=steps, seed=seed, control=control)
    found = smallest_triggers(search, METHOD, Patch, settings or Settings())
    return sorted(found, key=lambda result: search.classes.index(result.class_index))
