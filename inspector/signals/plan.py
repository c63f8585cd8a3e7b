"""How many samples go through the network at once, from what one sample costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """Sizes of one pass, all in samples.

    Attributes
    ----------
    batch : int
        Samples in one forward pass.
    block : int
        Samples that are decoded, computed and written together; a multiple of ``batch``.
    sketch : int
        Samples whose gradients are held at once.
    """

    batch: int
    block: int
    sketch: int


@dataclass(frozen=True)
class Budget:
    """What a device takes in one step: operations (some tenths of a second), bytes of a tensor."""

    operations: float
    tensor: int
    gradients: int


def budget(device: torch.device, threads: int) -> Budget:
    """Return the budget of a device, of which a CPU gives ``threads`` to one batch.

    On a CPU a batch whose tensors stay within the caches is fastest (measured: 32 Fashion-MNIST
    images through two convolutions take 25 % less than 256); on a GPU a large one is.
    """
    if device.type == "cpu":
        return Budget(operations=16e9 * threads, tensor=4 << 20, gradients=256 << 20)
    return Budget(operations=2e12, tensor=256 << 20, gradients=2 << 30)


def largest_output(network: nn.Module, example: Tensor) -> int:
    """Return the bytes of the largest output of a layer for one sample, shape (1, c, h, w).

    Hooks see what modules return; torch's dispatch modes would see everything, and cost seconds of
    imports (torch 2.15).
    """
    largest = example.nbytes

    def look(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.nbytes)

    handles = [module.register_forward_hook(look) for module in network.modules()]
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return largest


def make_plan(
    limits: Budget,
    *,
    operations: float,
    largest: int,
    parameters: int,
    sample: int,
    batch: int | None = None,
    block: int | None = None,
) -> Plan:
    """Choose the sizes of a pass.

    Parameters
    ----------
    limits : Budget
        Of the device.
    operations : float
        Multiplications and additions of one sample's forward pass.
    largest : int
        Bytes of the largest output of a layer for one sample.
    parameters : int
        Bytes of the network's parameters, which the gradient of one sample has too.
    sample : int
        Bytes of one sample as the network takes it.
    batch : int, optional
        Samples of a batch, chosen by the caller.
    block : int, optional
        Samples of a block at most.
    """
    step = int(limits.operations / max(operations, 1.0))
    if batch is None:
        batch = _power_of_two(min(512, limits.tensor // max(largest, 1), step))
    rows = min(step, (8 << 20) // max(sample, 1), block or 2048)
    # vmap(grad) costs about six forward passes and holds the gradients twice: also with signs.
    sketch = min(batch, step // 6, limits.gradients // max(2 * parameters, 1))
    return Plan(batch, batch * max(1, rows // batch), _power_of_two(sketch))


def _power_of_two(limit: int) -> int:
    return 1 << max(0, limit.bit_length() - 1)
