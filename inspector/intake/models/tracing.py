"""What happens inside a network when an image passes: order of the layers, the head, the cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Trace:
    """One pass through a network.

    Attributes
    ----------
    layers : tuple of str
        Modules that ran exactly once and gave one tensor per image, in the order in which they
        ended.
    head : str
        The linear layer that gave the answers, be it through a softmax; "" when they come from
        something else.
    operations : float
        Multiplications and additions of convolutions and linear layers, per image.
    answers : int
        Columns of the output.
    """

    layers: tuple[str, ...]
    head: str
    operations: float
    answers: int


def trace(network: nn.Module, channels: int, size: tuple[int, int]) -> Trace:
    """Run two grey images through a network and write down what ran.

    Raises
    ------
    RuntimeError, ValueError
        The network does not take images of this size, or gives no table of answers.
    """
    ended: list[str] = []
    times: Counter[str] = Counter()
    linear: list[tuple[str, Tensor]] = []
    operations = 0.0

    def look(name: str, module: nn.Module, output: object) -> None:
        nonlocal operations
        if not isinstance(output, Tensor) or output.ndim < 2 or output.shape[0] != 2:
            return
        times[name] += 1
        ended.append(name)
        if isinstance(module, nn.Conv2d):
            operations += output.numel() * 2.0 * math.prod(module.weight.shape[1:])
        elif isinstance(module, nn.Linear):
            operations += output.numel() * 2.0 * module.in_features
            linear.append((name, output))

    given: list[object] = []
    hooks = [
        network.register_forward_hook(lambda _, __, output: given.append(output), prepend=True)
    ]
    hooks += [
        module.register_forward_hook(
            lambda module, _, output, name=name: look(name, module, output)
        )
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.inference_mode():
            output = network(torch.full((2, channels, *size), 0.5))
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise ValueError("The network gives no table of answers.")
    head = linear[-1][0] if linear and _gives(linear[-1][1], given[-1]) else ""
    layers = tuple(name for name in dict.fromkeys(ended) if times[name] == 1)
    return Trace(layers, head, operations / 2, output.shape[1])


def _gives(linear: Tensor, answers: object) -> bool:
    """Tell whether the answers are what a linear layer gave, as logits or through a softmax.

    Only then is the loss gradient at its weights (softmax - one-hot) times its input. ``answers``
    are those of the network itself, before they are put into the order of the data.
    """
    if not isinstance(answers, Tensor) or answers.shape != linear.shape:
        return False
    linear, answers = linear.nan_to_num(), answers.nan_to_num()
    if linear.equal(answers):
        return True
    through = (linear.softmax(1), linear.log_softmax(1))
    return any(torch.allclose(made, answers, rtol=1e-4, atol=1e-5) for made in through)
