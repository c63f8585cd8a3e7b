"""Train a small network, seeded, and able to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inspector.api import Control

_SQUARES = 0.999  # decay of the squared slopes


@dataclass(frozen=True)
class Course:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
    batch : int
    rate : float
        Peak of the one-cycle learning rate (Smith and Topin 2019), with Adam (Kingma and Ba 2015).
    steps : int or None
        Batches in all, whatever ``epochs`` says: data of different size are trained on alike.
    """

    epochs: int = 15
    batch: int = 32
    rate: float = 3e-3
    steps: int | None = None


def train_network(
    network: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    course: Course | None = None,
    normalise: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
    control: Control | None = None,
    stage: str = "Training",
) -> nn.Module:
    """Train a classifier in place, all its weights, and return it in evaluation mode.

    Parameters
    ----------
    network : Module
        Takes (b, C, H, W) float32.
    images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
    labels : ndarray, shape (n,), integer
    course : Course, optional
    normalise : callable, optional
        Turns pixels (b, C, H, W) from 0 to 1 into the network's input; they are left so without.
    seed : int
        Seed of the order of the batches; seed the weights before building the network.
    control : Control, optional
        Gets progress, and can stop or pause.
    stage : str
        What the progress is called.
    """
    course, control = course or Course(), control or Control()
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    answers = torch.from_numpy(np.asarray(labels, np.int64))
    order = torch.Generator().manual_seed(seed)
    once = math.ceil(len(answers) / course.batch)
    steps = course.steps or course.epochs * once
    epochs = math.ceil(steps / once)
    cycle = OneCycle(list(network.parameters()), course.rate, steps)
    network.train().requires_grad_(True)
    step = 0
    for epoch in range(epochs):
        for rows in torch.randperm(len(answers), generator=order).split(course.batch):
            control.check()
            if step == steps:
                break
            step += 1
            if len(rows) == 1 < len(answers):  # no deviation to normalise a batch of one by
                continue
            x = pixels[rows].float() / 255
            given = network(x if normalise is None else normalise(x))
            given = given[0] if isinstance(given, tuple) else given  # with auxiliary answers
            loss = functional.cross_entropy(given.flatten(1), answers[rows])
            slopes = torch.autograd.grad(loss, cycle.weights, materialize_grads=True)
            cycle.step(slopes)
            control.progress(stage, step, steps, f"epoch {epoch + 1} of {epochs}")
    return network.eval().requires_grad_(False)


class OneCycle:
    """Adam whose step grows to a peak and falls to almost nothing, while its momentum does the reverse.

    torch.optim is left alone because the first optimiser of a process imports the compiler
    (torch._dynamo, seen in torch 2.15): seconds during which nothing can be cancelled.

    Parameters
    ----------
    weights : list of Tensor
        What to train, in place.
    peak : float
        Largest step; the first is a 25th of it.
    steps : int
        Steps of the whole cycle; the peak comes after 30 % of them.
    """

    def __init__(self, weights: list[nn.Parameter], peak: float, steps: int) -> None:
        self.weights = weights
        self._peak, self._last, self._rise = peak, max(steps - 1, 1), max(0.3 * steps - 1, 1)
        self._done, self._momentum = 0, 1.0
        self._means = [torch.zeros_like(weight) for weight in weights]
        self._squares = [torch.zeros_like(weight) for weight in weights]

    @torch.no_grad()
    def step(self, slopes: Sequence[torch.Tensor]) -> None:
        """Go one step down slopes of the shapes of the weights."""
        if self._done < self._rise:
            share = self._done / self._rise
            rate = _between(self._peak / 25, self._peak, share)
            keep = _between(0.95, 0.85, share)
        else:
            share = (self._done - self._rise) / max(self._last - self._rise, 1)
            rate = _between(self._peak, self._peak / 250_000, share)
            keep = _between(0.85, 0.95, share)
        self._done += 1
        self._momentum *= keep
        for weight, slope, mean, square in zip(
            self.weights, slopes, self._means, self._squares, strict=True
        ):
            mean.lerp_(slope, 1 - keep)
            square.lerp_(slope * slope, 1 - _SQUARES)
            spread = (square / (1 - _SQUARES**self._done)).sqrt_().add_(1e-8)
            weight.addcdiv_(mean, spread, value=-rate / (1 - self._momentum))


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine wave from start to end."""
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
