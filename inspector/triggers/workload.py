"""How much of a search to hand to the network at a time.

Sizes follow from counted multiplications, not from a stopwatch: a timed choice would differ from run
to run, with it the rounding, and with that the trigger.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

_FEWEST = 16.0
"""Pictures per pass that a network of moderate size gets, as long as a pass stays short."""


class Workload(NamedTuple):
    """Portions of a search for one network on one device.

    Attributes
    ----------
    pictures_at_once : int
        Pictures per forward and backward pass, the stretch between two looks at the controls.
    classes_together : int
        Classes whose searches advance side by side.
    """

    pictures_at_once: int
    classes_together: int


def plan_workload(network: nn.Module, example: torch.Tensor, batch: int) -> Workload:
    """Choose portions for a network.

    Parameters
    ----------
    network : Module
        In eval mode.
    example : Tensor, shape (1, C, H, W), float32
        One normalised picture on the network's device.
    batch : int
        Pictures per class and step.
    """
    each = max(multiplications(network, example), example.numel())
    # A core does some 1e10 multiplications a second, and a backward pass costs two forward ones. A
    # small portion also stays in the cache, which halves the time of small networks. Fewer
    # than some sixteen pictures cost a convolution of a few 1e7 multiplications a quarter more per
    # picture; a very large network cannot go below one.
    speed = 1 if example.device.type == "cpu" else 100
    portion = max(speed * 2e8 / each, min(_FEWEST, speed * 2e9 / each), 1.0)
    together = speed * 2e9 / (each * batch)
    return Workload(int(portion), max(1, int(together)))


@torch.no_grad()
def multiplications(network: nn.Module, example: torch.Tensor) -> int:
    """Count the multiplications of convolutions and linear layers for one picture."""
    total = 0

    def count(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal total
        weight = module.weight
        if isinstance(output, torch.Tensor) and isinstance(weight, torch.Tensor):
            total += output.numel() * weight.numel() // weight.shape[0]

    handles = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear))
    ]
    try:
        network(example)
    finally:
        for handle in handles:
            handle.remove()
    return total // len(example)
