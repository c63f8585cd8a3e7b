"""Networks to train: copies of the suspect's with weights drawn anew, and small ones of our own."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from inspector.drill.attack import Labels, Pixels
from inspector.drill.pixel_network import pixels_of
from inspector.drill.training import OneCycle
from inspector.errors import BadInput
from inspector.intake.models import SuspectModel
from inspector.intake.models.tracing import trace

OWN, PLAIN, RESIDUAL = "own", "plain-cnn", "resnet"
ARCHITECTURES = (OWN, PLAIN, RESIDUAL)
"""A copy of the case's model, fine-tuned; or a small network, trained from nothing."""

_MEASURED = 1.0  # seconds


def copied(suspect: SuspectModel) -> SuspectModel:
    """Return a copy for pictures that have the network's size already."""
    return replace(
        suspect,
        network=copy.deepcopy(suspect.network).eval(),
        preprocess=replace(suspect.preprocess, fit="none"),
    )


def redrawn(network: nn.Module, seed: int) -> str:
    """Draw all weights anew; return why that is not possible, "" when it was."""
    with torch.random.fork_rng(devices=[]):  # others in this process draw from that generator too
        torch.manual_seed(seed)
        for name, module in network.named_modules():
            own = [*module.named_parameters(recurse=False)]
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            elif own:
                return f"It is not known how its weights {name or 'network'}.{own[0][0]} begin."
    return ""


def small_model(own: SuspectModel, name: str, seed: int) -> SuspectModel:
    """Return a small untrained network that takes the place of the suspect's.

    Parameters
    ----------
    own : SuspectModel
    name : str
        `PLAIN` or `RESIDUAL`.
    seed : int
        The weights are drawn from it.
    """
    channels, size = own.preprocess.channels, own.preprocess.size
    with torch.random.fork_rng(devices=[]):  # others in this process draw from that generator too
        torch.manual_seed(seed)
        network = _small(name, channels, own.num_classes, size)
    traced = trace(network, channels, size)
    return replace(
        own,
        network=network,
        architecture=name,
        head=traced.head,
        layers=list(traced.layers),
        operations=traced.operations,
        layer=None,
    )


def _small(name: str, channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    from inspector.intake.models.networks.plain_cnn import PlainCNN
    from inspector.intake.models.networks.resnet_small import SmallResNet

    if name == PLAIN and size[0] == size[1]:
        return PlainCNN(channels, classes, size[0], widths=(16, 32), hidden=64).eval()
    if name in (PLAIN, RESIDUAL):
        width = (16, 32, 64)
        return SmallResNet(
            channels, classes, blocks=(1, 1, 1), middle=width, out=width, stem=16
        ).eval()
    raise BadInput(f"There is no architecture {name!r}.", f"There are: {', '.join(ARCHITECTURES)}.")


def estimate_seconds(
    model: SuspectModel, images: Pixels, labels: Labels, batch: int, epochs: int
) -> float:
    """Return the seconds that the training will take, from its first steps.

    Some are made, for about a second: where others compute beside it one takes many times as long as
    the next, and the mean of several is what the training will feel.
    """
    network = copy.deepcopy(model.network).train().requires_grad_(True)
    count = min(batch, len(labels))
    if count < 2:
        return 0.0
    x = model.preprocess.normalise(pixels_of(images[:count]))
    answers = torch.from_numpy(labels[:count].astype(np.int64))
    steps = epochs * math.ceil(len(labels) / batch)
    cycle = OneCycle(list(network.parameters()), 1e-6, steps)
    taken: list[float] = []
    while len(taken) < 2 or (sum(taken[1:]) < _MEASURED and len(taken) <= steps):
        begun = time.perf_counter()
        given = network(x)
        given = given[0] if isinstance(given, tuple) else given
        loss = functional.cross_entropy(given.flatten(1), answers)
        cycle.step(torch.autograd.grad(loss, cycle.weights, materialize_grads=True))
        taken.append(time.perf_counter() - begun)
    return steps * float(np.mean(taken[1:]))  # the first one warms up
