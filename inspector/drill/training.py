"""Train a small network, seeded, and able to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from inspector.api import Control


@dataclass(frozen=True)
class Course:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
    batch : int
    rate : float
        Peak of the one-cycle learning rate (Smith and Topin 2019), with Adam.
    """

    epochs: int = 12
    batch: int = 64
    rate: float = 3e-3


def train_network(
    network: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    course: Course | None = None,
    seed: int = 0,
    control: Control | None = None,
) -> nn.Module:
    """Train a classifier in place on pictures scaled to 0..1 and return it in evaluation mode.

    Parameters
    ----------
    network : Module
        Takes (b, C, H, W) float32.
    images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
    labels : ndarray, shape (n,), integer
    course : Course, optional
    seed : int
        Seed of the order of the batches; seed the weights before building the network.
    control : Control, optional
        Gets progress ("Training"), and can stop or pause.
    """
    course, control = course or Course(), control or Control()
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    answers = torch.from_numpy(np.asarray(labels, np.int64))
    order = torch.Generator().manual_seed(seed)
    steps = course.epochs * math.ceil(len(answers) / course.batch)
    optimiser = torch.optim.Adam(network.parameters(), course.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=steps)
    network.train()
    step = 0
    for epoch in range(course.epochs):
        for rows in torch.randperm(len(answers), generator=order).split(course.batch):
            control.check()
            loss = functional.cross_entropy(network(pixels[rows].float() / 255), answers[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            step += 1
            control.progress("Training", step, steps, f"epoch {epoch + 1} of {course.epochs}")
    return network.eval().requires_grad_(False)
