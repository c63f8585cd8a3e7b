"""Let a copy of a network unlearn a few samples, and see what becomes of one answer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inspector.drill.training import OneCycle

_BATCH = 32


def unlearned(
    network: nn.Module,
    forget: tuple[Tensor, NDArray[np.integer]],
    keep: tuple[Tensor, NDArray[np.integer]],
    *,
    steps: int = 40,
    rate: float = 1e-3,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> nn.Module:
    """Return a copy that no longer answers some samples as labelled, and others as before.

    The loss of what is kept goes down while the answers to what is to be forgotten are drawn to
    even odds (compare the unlearning test of Shan and others 2022, which does so too). Batch
    statistics stay as they are: a small batch would change every answer.

    Parameters
    ----------
    network : Module
        In eval mode; left untouched.
    forget, keep : (Tensor (b, c, h, w), ndarray (b,) integer)
        Inputs of the network and labels.
    steps : int
    rate : float
        Peak of the learning rate.
    seed : int
        Of the order of the batches.
    check : callable
        Called at every step; raises when the analyst cancelled.
    """
    order = torch.Generator().manual_seed(seed)
    learner = copy.deepcopy(network).requires_grad_(True)
    weights = [w for w in learner.parameters() if w.is_floating_point()]
    cycle = OneCycle(weights, rate, steps)
    answers = torch.from_numpy(np.asarray(keep[1], np.int64))
    with torch.enable_grad():
        for _ in range(steps):
            check()
            chosen = torch.randint(len(forget[0]), (_BATCH,), generator=order)
            kept = torch.randint(len(keep[0]), (_BATCH,), generator=order)
            given = learner(torch.cat([forget[0][chosen], keep[0][kept]])).flatten(1)
            even = -functional.log_softmax(given[:_BATCH], dim=1).mean()
            loss = even + functional.cross_entropy(given[_BATCH:], answers[kept])
            cycle.step(torch.autograd.grad(loss, weights, materialize_grads=True))
    return learner.requires_grad_(False)
