"""The copy of a network that searches ask: it takes no gradients, and it answers as fast as it can.

A normalisation that follows a convolution is one multiplication and one addition per channel, which
the convolution's own weights can hold. Which follows which, and that nothing else uses what is handed
on, is seen in the network at work, not guessed from names, and the copy is kept only when it answers as
before. So with a ReLU before a max-pool: behind it, it says the same of a quarter of the numbers.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inspector.triggers.layer_calls import layer_calls
from inspector.triggers.packed import pack, packed_chain
from inspector.triggers.picture_layer import in_blocks

_EQUAL = 1e-4
"""Largest difference of logits, as a share of the largest one; rounding stays far below."""

_TAME = 1e12
"""Logits up to which nothing within a network can be at the end of the range of float32."""

_INPUTS = 4


def frozen_copy(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """Return a copy in eval mode whose weights take no gradients.

    Parameters
    ----------
    network : Module
    example : Tensor, shape (1, ...), float32
        A normalised picture on the network's device.

    Notes
    -----
    Batch normalisation behind a convolution is folded into it where the logits, for the example and
    for noise, stay the same to 1e-4 of the largest; a ReLU changes places with the max-pool behind it
    where they stay the same to the last bit. On a CPU slopes at pictures come from `in_blocks`, and
    what `packed_chain` names is done in its layout, where logits and slopes stay the same to 1e-4.
    """
    # A copy, since eval mode, frozen weights and the memory layout must not reach the original.
    # Channels-last convolutions of small networks take half the time on a CPU.
    frozen = copy.deepcopy(network).eval().requires_grad_(False)
    frozen = frozen.to(memory_format=torch.channels_last)
    for change in _CHANGES:
        frozen = _changed(frozen, example, change) or frozen
    if example.device.type == "cpu":
        for name, module in list(frozen.named_modules()):
            layer = in_blocks(module) if type(module) is nn.Conv2d and name else None
            if layer is not None:
                _put(frozen, name, layer)
        frozen = _packed(frozen, example) or frozen
    return frozen


def _fold(network: nn.Module, convolution: str, norm: str) -> None:
    first, second = network.get_submodule(convolution), network.get_submodule(norm)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.BatchNorm2d)
    if second.running_mean is not None:
        _put(network, convolution, fuse_conv_bn_eval(first, second).requires_grad_(False))
        _put(network, norm, nn.Identity())


def _swap(network: nn.Module, relu: str, pool: str) -> None:
    _put(network, pool, nn.Sequential(network.get_submodule(pool), nn.ReLU()))
    _put(network, relu, nn.Identity())


class _Change(NamedTuple):
    """What is done to two modules where the second takes what the first gives."""

    first: type[nn.Module]
    second: type[nn.Module]
    make: Callable[[nn.Module, str, str], None]
    equal: float


_CHANGES = (
    _Change(nn.Conv2d, nn.BatchNorm2d, _fold, _EQUAL),
    _Change(nn.ReLU, nn.MaxPool2d, _swap, 0.0),
)


@torch.no_grad()
def _changed(frozen: nn.Module, example: torch.Tensor, change: _Change) -> nn.Module | None:
    """Return a copy with a change wherever it fits; None where that is not the same."""
    if not any(type(module) is change.second for module in frozen.modules()):
        return None
    inputs = _inputs(example)
    pairs, before = _neighbours(frozen, inputs, change)
    if not pairs:
        return None
    changed = _sharing(frozen)
    try:
        for first, second in pairs:
            change.make(changed, first, second)
        after = changed.to(memory_format=torch.channels_last)(inputs)
    except Exception:  # Whatever a network of others does when its parts are replaced: keep them.
        return None
    return changed if _close(before, after, change.equal) else None


def _packed(frozen: nn.Module, example: torch.Tensor) -> nn.Module | None:
    """Return a copy with the chain in the other layout; None where there is none, or not the same."""
    inputs = _inputs(example)
    chain = packed_chain(frozen, inputs)
    if chain is None:
        return None
    changed = _sharing(frozen)
    try:
        ends = chain.names[0], chain.names[-1]
        first, last = pack(*(changed.get_submodule(name) for name in ends), limit=chain.limit)
        _put(changed, ends[0], first)
        _put(changed, ends[1], last)
        after = _logits_and_slopes(changed, inputs)
    except Exception:  # As above.
        return None
    before = _logits_and_slopes(frozen, inputs)
    # Numbers near the end of their range would not always be lost in the same places.
    tame = bool(before[0].abs().amax() < _TAME)
    alike = all(_close(one, other, _EQUAL) for one, other in zip(before, after))
    return changed if tame and alike else None


def _inputs(example: torch.Tensor) -> torch.Tensor:
    """Return the example, and noise."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(_INPUTS - 1, *example.shape[1:], generator=random).to(example)
    return torch.cat([example[:1], noise])


def _sharing(frozen: nn.Module) -> nn.Module:
    """Return a copy that shares the weights: a large network is not held twice."""
    shared = {id(part): part for part in (*frozen.parameters(), *frozen.buffers())}
    return copy.deepcopy(frozen, shared)


def _close(before: torch.Tensor, after: torch.Tensor, share: float) -> bool:
    # Not a number is never close: what overflows keeps its parts.
    return bool((after - before).abs().amax() <= share * before.abs().amax())


def _logits_and_slopes(
    network: nn.Module, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        free = inputs.detach().clone().requires_grad_()
        logits = network(free)
        (slopes,) = torch.autograd.grad(logits.square().sum(), free)
    # In even areas of the example equal numbers compete in a pool, and rounding chooses among them.
    return logits.detach(), slopes[1:]


def _neighbours(
    network: nn.Module, inputs: torch.Tensor, change: _Change
) -> tuple[list[tuple[str, str]], torch.Tensor]:
    """Return the names of modules and of those that each feeds and no other, and the logits."""
    calls, logits = layer_calls(network, inputs, (change.first, change.second))
    names = {module: name for name, module in network.named_modules()}
    times = Counter(call.layer for call in calls)
    once = [call for call in calls if times[call.layer] == 1]
    firsts = {id(call.made): call for call in once if type(call.layer) is change.first}
    pairs = []
    for call in once:
        first = firsts.get(id(call.given)) if type(call.layer) is change.second else None
        # What anything else uses, too, can neither be changed nor come later.
        if first is not None and call.given is not None and first.users == {call.layer}:
            pairs.append((names[first.layer], names[call.layer]))
    return pairs, logits


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    *folders, last = name.split(".")
    network.get_submodule(".".join(folders)).add_module(last, module)
