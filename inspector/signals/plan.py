"""How many samples go through the network at once, from what one sample costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Cost:
    """What one sample costs in a forward pass: operations, and bytes of the largest tensor."""

    flops: int
    largest: int


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

    flops: float
    tensor: int
    gradients: int


def budget(device: torch.device, cores: int) -> Budget:
    """Return the budget of a device.

    On a CPU a batch whose tensors stay within the caches is fastest (measured: 32 Fashion-MNIST
    images through two convolutions take 25 % less than 256); on a GPU a large one is.
    """
    if device.type == "cpu":
        return Budget(flops=8e9 * cores, tensor=4 << 20, gradients=256 << 20)
    return Budget(flops=2e12, tensor=256 << 20, gradients=2 << 30)


def measure(network: nn.Module, example: Tensor) -> Cost:
    """Run one sample, shape (1, c, h, w), through the network and count."""
    with torch.no_grad(), _Meter() as meter:
        network(example)
    return Cost(meter.flops, max(meter.largest, example.nbytes))


def make_plan(
    cost: Cost,
    limits: Budget,
    *,
    parameters: int,
    sample: int,
    batch: int | None = None,
    block: int | None = None,
) -> Plan:
    """Choose the sizes of a pass.

    Parameters
    ----------
    cost : Cost
        Of one sample.
    limits : Budget
        Of the device.
    parameters : int
        Bytes of the network's parameters, which the gradient of one sample has too.
    sample : int
        Bytes of one sample as the network takes it.
    batch : int, optional
        Samples of a batch, chosen by the caller.
    block : int, optional
        Samples of a block at most.
    """
    flops = max(cost.flops, 1)
    step = int(limits.flops / flops)
    if batch is None:
        batch = _power_of_two(min(512, limits.tensor // max(cost.largest, 1), step))
    rows = min(step, (32 << 20) // max(sample, 1), block or 2048)
    # vmap(grad) costs about six forward passes and holds the gradients twice: also with signs.
    sketch = min(batch, step // 6, limits.gradients // max(2 * parameters, 1))
    return Plan(batch, batch * max(1, rows // batch), _power_of_two(sketch))


def _power_of_two(limit: int) -> int:
    return 1 << max(0, limit.bit_length() - 1)


class _Meter(TorchDispatchMode):
    """Counts the operations of convolutions and matrix products, and the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.largest = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        counter = flop_registry.get(getattr(func, "_overloadpacket", None))
        if counter is not None:
            self.flops += int(counter(*args, **(kwargs or {}), out_val=out))
        parts = out if isinstance(out, (tuple, list)) else (out,)
        for part, declared in zip(parts, func._schema.returns):
            # Views do not count: most are transposed weights, which do not grow with the batch.
            if isinstance(part, Tensor) and declared.alias_info is None:
                self.largest = max(self.largest, part.nbytes)
        return out
