"""Feature-space search: the least transformation into a class that leaves the rest of a picture alone.

Wang, Mei, Zhai, Ma, Zhang: Rethinking the Reverse-engineering of Trojan Triggers (FeatureRE), NeurIPS
2022; Xu, Huang, Li, Zhu, Song, Wang, Wang, Wang, Zhang: Towards Reliable and Efficient Backdoor
Trigger Inversion via Decoupling Benign Features (BTI-DBF), ICLR 2024. A warp, or a trigger that differs
from picture to picture, is no mask with a pattern; but a small network can learn it, and the features
of a backdoor lie beside the benign ones, which stay as they are. Here that network is a
`Transformation`, and what stays is read where the features are used: leaving the target out, the
answers must still name the class that they named before. A clean network loses the one class to find
the other; one with a backdoor is overruled.

Both papers train a U-Net for minutes and compare with fixed bounds. This searches the smallest mean
change, with some hundred numbers per class, and compares classes as all searches do: by that change,
and by how many held-out pictures the network still knows beside the target.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from inspector.triggers.anomaly import size_look
from inspector.triggers.method import MethodInfo
from inspector.triggers.penalty import Settings
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search
from inspector.triggers.smallest import smallest_triggers
from inspector.triggers.stamp import Stamp
from inspector.triggers.transformation import Transformation, Weights, first_weights, transform

METHOD = "feature-space"

STEPS = 150
"""Of every class: sizes after different numbers of steps do not compare."""

_SETTINGS = Settings(rate=0.05, stop_patience=STEPS, keep=0.2)
"""With more weight on what is kept the transformations of clean networks grow, and so do those of
backdoors; what is retained is measured and compared instead."""

_MEASURED = 16
"""Pictures that the mean change is measured on in every step."""

_SHARE = 0.25
"""Weight of the log odds of being retained beside the log size. Among the classes of a clean network
they spread more, and differ by the kind of class: alone they would accuse."""

_NOISE = 0.1
"""Standard error of both together: a search leaves the size open by five per cent and more, and some
200 pictures the odds by 16."""


class Transformations:
    """One transformation per class.

    Parameters
    ----------
    count : int
        Classes.
    shape : tuple of int
        Channels, height, width.
    device : torch.device
    pictures : Tensor, shape (m, C, H, W), 0..1
        What sizes are measured on.
    seed : int
        Of the weights to begin with; all classes begin alike.
    """

    def __init__(
        self,
        count: int,
        shape: tuple[int, int, int],
        device: torch.device,
        *,
        pictures: torch.Tensor,
        seed: int,
    ) -> None:
        self._pictures = pictures
        self.thetas = [
            part.repeat_interleave(count, dim=0).to(device)
            for part in first_weights(shape[0], seed)
        ]

    def values(self, *thetas: torch.Tensor) -> list[torch.Tensor]:
        """Return the weights; it is their effect that is bounded."""
        return list(thetas)

    def sizes(self, *values: torch.Tensor) -> torch.Tensor:
        """Return the L1 norms of the mean changes."""
        count = len(self._pictures)
        weights = Weights(*(value.repeat_interleave(count, dim=0) for value in values))
        pictures = self._pictures.repeat(len(values[0]), 1, 1, 1)
        change = (transform(pictures, weights) - pictures).abs().amax(dim=1).sum(dim=(1, 2))
        return change.view(-1, count).mean(dim=1)

    def stamp(self, pixels: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        """Transform the pictures."""
        return transform(pixels, Weights(*values))

    def trigger(self, *values: torch.Tensor) -> Stamp:
        """Return one transformation."""
        weights = Weights(*(value[None].detach() for value in values))
        return Stamp.changing(Transformation(weights), self._pictures)


class FeatureSpace:
    """The method behind ``--method feature-space``."""

    info = MethodInfo(
        id=METHOD,
        title="Feature space",
        summary="The least change, different for every picture, that turns it into each class and "
        "leaves the rest of what the model sees: warps and dynamic triggers.",
        version="1.0",
        reference="Wang et al. 2022, NeurIPS (FeatureRE); Xu et al. 2024, ICLR (BTI-DBF)",
    )

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search all classes side by side."""
        rows = search.pictures.search[:_MEASURED]
        form = partial(
            Transformations, pictures=search.pictures.pixels[rows].float() / 255, seed=search.seed
        )
        asked = replace(search, steps=search.steps or STEPS)
        for result in smallest_triggers(asked, METHOD, form, _SETTINGS):
            if result.status == "done" and result.held_out:
                yield replace(result, looks=(_look(result),), noise=(_NOISE,))
            else:
                yield result


def _look(result: TriggerResult) -> float:
    """Return how suspicious a transformation is: small, and beside the features that stay."""
    rows = result.held_out
    retained = round(float(result.details["retained"]["rate"]) * rows)
    odds = math.log((retained + 0.5) / (rows - retained + 0.5))
    return size_look(result.comparable_l1) + _SHARE * odds


METHODS = [FeatureSpace]
