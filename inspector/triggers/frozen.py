"""The copy of a network that searches ask: it takes no gradients, and it answers as fast as it can.

A normalisation that follows a convolution is one multiplication and one addition per channel, which
the convolution's own weights can hold. Which follows which is seen from what the network hands from
one to the other, not guessed from names, and the copy is kept only when it answers as before.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_EQUAL = 1e-4
"""Largest difference of logits, as a share of the largest one; rounding stays far below."""

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
    for noise, stay the same to 1e-4 of the largest.
    """
    # A copy, since eval mode, frozen weights and the memory layout must not reach the original.
    # Channels-last convolutions of small networks take half the time on a CPU.
    frozen = copy.deepcopy(network).eval().requires_grad_(False)
    frozen = frozen.to(memory_format=torch.channels_last)
    return _folded(frozen, example) or frozen


@torch.no_grad()
def _folded(frozen: nn.Module, example: torch.Tensor) -> nn.Module | None:
    """Return a copy with normalisation folded into convolutions; None where that is not the same."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(_INPUTS - 1, *example.shape[1:], generator=random).to(example)
    inputs = torch.cat([example[:1], noise])
    pairs, before = _neighbours(frozen, inputs)
    if not pairs:
        return None
    # Weights are shared: a large network is not held twice.
    shared = {id(part): part for part in (*frozen.parameters(), *frozen.buffers())}
    folded = copy.deepcopy(frozen, shared)
    try:
        for convolution, norm in pairs:
            _put(folded, convolution, _one(folded, convolution, norm))
            _put(folded, norm, nn.Identity())
        after = folded.to(memory_format=torch.channels_last)(inputs)
    except Exception:  # Whatever a network of others does when its parts are replaced: keep them.
        return None
    # Not a number is never close: what overflows keeps its parts.
    close = (after - before).abs().amax() <= _EQUAL * before.abs().amax()
    return folded if bool(close) else None


def _neighbours(
    network: nn.Module, inputs: torch.Tensor
) -> tuple[list[tuple[str, str]], torch.Tensor]:
    """Return the names of convolutions and of the normalisation that each feeds, and the logits."""
    made: dict[nn.Module, list[Any]] = {}
    taken: dict[nn.Module, list[Any]] = {}

    def note(module: nn.Module, given: Any, output: Any) -> None:
        # Kept alive until the end: a freed tensor's identity is soon another one's.
        made.setdefault(module, []).append(output)
        taken.setdefault(module, []).append(given)

    handles = [
        module.register_forward_hook(note)
        for module in network.modules()
        if type(module) in (nn.Conv2d, nn.BatchNorm2d) and not module._forward_pre_hooks
    ]
    try:
        logits = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    names = {module: name for name, module in network.named_modules()}
    by_output = {
        id(outputs[0]): module
        for module, outputs in made.items()
        if isinstance(module, nn.Conv2d) and len(outputs) == 1
    }
    pairs = []
    for module, given in taken.items():
        once = isinstance(module, nn.BatchNorm2d) and len(given) == 1 and len(given[0]) == 1
        if once and module.running_mean is not None:
            source = by_output.get(id(given[0][0]))
            if source is not None:
                pairs.append((names[source], names[module]))
    # A convolution that feeds two can hold neither.
    sources = [source for source, _ in pairs]
    return [pair for pair in pairs if sources.count(pair[0]) == 1], logits


def _one(network: nn.Module, convolution: str, norm: str) -> nn.Module:
    first, second = network.get_submodule(convolution), network.get_submodule(norm)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.BatchNorm2d)
    return fuse_conv_bn_eval(first, second).requires_grad_(False)


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    *folders, last = name.split(".")
    network.get_submodule(".".join(folders)).add_module(last, module)
