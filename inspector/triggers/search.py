"""What every search works with: a frozen copy of the network, the pictures, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput
from inspector.triggers.frozen import frozen_copy
from inspector.triggers.pictures import Pictures, Preprocessing, Suspect, prepare_pictures
from inspector.triggers.workload import Workload, plan_workload

BATCH = 24
"""Pictures per class and step that portions are planned for."""

_SUREST = 50.0
"""Largest usual lead of an answer over the next one, in logits. A last layer that is scaled up blinds
searches that follow the loss: of all pictures only the hardest one has a slope then."""

_USUAL = 10.0
"""Lead that larger ones are brought down to; which class is answered stays as it is."""

_PICTURES = 64
"""Pictures that the usual lead is measured on."""


@dataclass(frozen=True)
class Search:
    """One request for triggers.

    Attributes
    ----------
    network : Module
        Frozen copy in eval mode: weights take no gradients, the suspect is never changed.
    preprocess : Preprocessing
        Its ``normalise`` turns pixels 0..1 into the network's input, differentiably.
    pictures : Pictures
        Half of them to search with, half to measure.
    num_classes : int
    classes : tuple of int
        Classes to search.
    steps : int or None
        Steps per class at most; None leaves it to the method.
    seed : int
    control : Control
        Call ``check`` between portions.
    portion : int
        Pictures per forward and backward pass.
    temperature : float
        What logits are divided by before a search sees them; 1 unless the network is very sure.
    overflowing : float
        Share of pictures to which the network gives no finite logits.
    quick : bool
        A first look: a screen takes fewer steps, and success is measured on fewer pictures.
    folder : Path or None
        Where a search keeps how far it is, so that it can go on from there; None for nowhere.
    """

    network: nn.Module
    preprocess: Preprocessing
    pictures: Pictures
    num_classes: int
    classes: tuple[int, ...]
    steps: int | None
    seed: int
    control: Control
    portion: int
    temperature: float = 1.0
    overflowing: float = 0.0
    quick: bool = False
    folder: Path | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a trigger."""
        channels, height, width = self.pictures.pixels.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def device(self) -> torch.device:
        """Where the network and the pictures are."""
        return self.pictures.pixels.device

    def workload(self, batch: int) -> Workload:
        """Return portions for steps of ``batch`` pictures per class."""
        example = self.pictures.pixels[:1].float() / 255
        return plan_workload(self.network, self.preprocess.normalise(example), batch)

    def answers(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits of pictures (b, C, H, W), 0..1, divided by the temperature."""
        logits: torch.Tensor = self.network(self.preprocess.normalise(pixels))
        return logits / self.temperature

    @property
    def notes(self) -> tuple[str, ...]:
        """What holds for the results of every class, in sentences."""
        said = []
        if self.overflowing:
            said.append(
                f"The network answers {self.overflowing:.0%} of the pictures with numbers that are "
                "not finite: a search can hardly follow them."
            )
        if self.temperature != 1.0:
            said.append(
                f"The network is so sure of its answers (by {self.temperature * _USUAL:.2g} logits as "
                "a rule) that a search would be blind: it was made with logits divided by "
                f"{self.temperature:.2g}. Which class is answered stays."
            )
        return tuple(said)


def prepare_search(
    model: Suspect,
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    labels: ArrayLike,
    classes: Sequence[int],
    *,
    steps: int | None = None,
    seed: int = 0,
    control: Control | None = None,
) -> Search:
    """Check what is asked, copy the network, and bring the pictures to its size.

    Parameters
    ----------
    model : SuspectModel
        The suspect network and its preprocessing. It is copied, never changed.
    images : ndarray, shape (m, H, W, C), uint8, or sequence of such pictures
        Pictures to put triggers on, see `sample_rows`. A random half searches, the other measures.
    labels : array_like, shape (m,), int
        Their labels, -1 where there is none.
    classes : sequence of int
        Classes to search. Compare at least three (`anomaly_index`), better all.
    steps : int, optional
        Steps per class at most.
    seed : int
        Same seed, same triggers, whichever other classes are searched.
    control : Control, optional
        Gets progress ("triggers") and previews ("trigger"), and can stop or pause the search.

    Raises
    ------
    BadInput
        A class that the network does not have, a network with one class, too few pictures.
    """
    wanted = _checked_classes(model, classes)
    if steps is not None and steps < 1:
        raise BadInput(f"A search of {steps} steps finds nothing.", "", "Ask for 200 or more.")
    control = control or Control()
    device = next(model.network.parameters()).device
    if len(images) == 0:
        raise BadInput("A trigger search needs pictures.", "None were given.", "Give at least 50.")
    example = model.preprocess(images[:1]).to(device)
    network = frozen_copy(model.network, example)
    portion = plan_workload(network, example, BATCH).pictures_at_once
    pictures = prepare_pictures(
        model, images, labels, network, seed=seed, portion=portion, control=control
    )
    return Search(
        network,
        model.preprocess,
        pictures,
        model.num_classes,
        tuple(wanted),
        steps,
        seed,
        control,
        portion,
        *_scale_of_answers(network, model.preprocess, pictures.pixels[:_PICTURES], portion),
    )


@torch.no_grad()
def _scale_of_answers(
    network: nn.Module, preprocess: Preprocessing, pixels: torch.Tensor, portion: int
) -> tuple[float, float]:
    """Return what to divide logits by, and the share of pictures without finite ones."""
    parts = [network(preprocess.normalise(some.float() / 255)) for some in pixels.split(portion)]
    logits = torch.cat(parts)
    finite = logits.isfinite().all(dim=1)
    first, second = logits[finite].topk(2, dim=1).values.unbind(dim=1)
    lead = float((first - second).median()) if len(first) else 0.0
    return lead / _USUAL if lead > _SUREST else 1.0, 1 - float(finite.float().mean())


def _checked_classes(model: Suspect, classes: Sequence[int]) -> list[int]:
    if model.num_classes < 2:
        raise BadInput(
            "The model has a single class.",
            "A trigger turns pictures of one class into another, so there is none to look for.",
            "Use a model with at least two classes.",
        )
    wanted = list(dict.fromkeys(int(value) for value in classes))
    wrong = [value for value in wanted if not 0 <= value < model.num_classes]
    if wrong or not wanted:
        raise BadInput(
            f"Class {wrong[0]} cannot be searched." if wrong else "No class was named to search.",
            f"The model has the classes 0 to {model.num_classes - 1}.",
            "Name some of them.",
        )
    return wanted
