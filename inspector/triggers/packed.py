"""The beginning of a network in the memory layout that oneDNN works fastest in.

In that layout a max-pool takes a third of the time, and a convolution less; bringing numbers into it
and back costs as much as both save, so it is for a chain of layers that begins with a few numbers and
ends with a few: convolutions, ReLUs and max-pools, from the picture to the last pool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from inspector.triggers.layer_calls import Call, layer_calls
from inspector.triggers.picture_layer import PictureLayer

_LAYERS = (nn.Conv2d, PictureLayer, nn.ReLU, nn.MaxPool2d, nn.Identity)
_GAIN = 4.0
"""Numbers within a chain for each that enters or leaves it, at least."""

_LARGEST = 1e35
"""Largest number within a chain. Fast ways to convolve need some room above it: sums of products of
sums, 1e3 times as large at most."""


class Chain(NamedTuple):
    """Layers that are worth the other layout.

    Attributes
    ----------
    names : tuple of str
        One behind the other.
    limit : float
        Largest number, whatever its sign, that may enter: up to it nothing between them can
        overflow.
    """

    names: tuple[str, ...]
    limit: float


class _Entry(nn.Module):
    """Brings numbers into the layout, unless they might overflow there: ReLUs make 0 of NaN in it."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        # Not a number is no smaller than any limit, and stays outside as well.
        small = values.numel() > 0 and bool(values.detach().abs().amax() <= self._limit)
        return values.to_mkldnn() if small else values


class _Exit(nn.Module):
    """Brings numbers back."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.to_dense() if values.is_mkldnn else values


def packed_chain(network: nn.Module, inputs: torch.Tensor) -> Chain | None:
    """Return the layers that are worth the other layout; None where none are.

    What lies between them is used by nothing else. A use aside would raise for most
    operations, but perhaps only for pictures that nobody tried; and some would drop NaN there.

    Parameters
    ----------
    network : Module
        In eval mode, on a CPU.
    inputs : Tensor, shape (b, C, H, W)
    """
    if not torch.backends.mkldnn.is_available() or inputs.dtype != torch.float32:
        return None
    calls, _ = layer_calls(network, inputs, _LAYERS)
    chain: list[Call] = []
    for call in calls:
        if call.given is None or call.made is None:
            break
        if chain and call.given is not chain[-1].made:
            break
        chain.append(call)
    while chain and not _closed(chain):
        chain.pop()
    layers = [call.layer for call in chain]
    once = all(sum(other.layer is layer for other in calls) == 1 for layer in layers)
    if not once or not any(isinstance(layer, nn.MaxPool2d) for layer in layers):
        return None
    entered, left = chain[0].given, chain[-1].made
    assert entered is not None
    assert left is not None
    within = sum(
        call.made.numel()
        for call in chain
        if call.made is not None and not isinstance(call.layer, nn.Identity)
    )
    limit = _limit(layers)
    if within < _GAIN * (entered.numel() + left.numel()) or not entered.abs().amax() <= limit:
        return None
    names = {layer: name for name, layer in network.named_modules()}
    return Chain(tuple(names[layer] for layer in layers), limit)


def _closed(chain: Sequence[Call]) -> bool:
    """Return whether a chain ends with few numbers, and only its own layers use what lies within."""
    layers = {call.layer for call in chain}
    ended = isinstance(chain[-1].layer, (nn.MaxPool2d, nn.ReLU))
    return ended and all(call.users <= layers for call in chain[:-1])


def _limit(layers: Sequence[nn.Module]) -> float:
    """Return up to which number no layer can overflow; NaN or less than 0 where there is none."""
    gain, offset, limit = 1.0, 0.0, _LARGEST
    for layer in layers:
        if isinstance(layer, nn.Conv2d):  # ReLUs and pools make nothing larger.
            most = float(layer.weight.double().abs().flatten(1).sum(dim=1).amax())
            bias = 0.0 if layer.bias is None else float(layer.bias.double().abs().amax())
            gain, offset = gain * most, offset * most + bias
            if not gain + offset < math.inf:
                return math.nan
            limit = min(limit, (_LARGEST - offset) / gain if gain else _LARGEST - offset)
    return limit


def pack(first: nn.Module, last: nn.Module, *, limit: float) -> tuple[nn.Module, nn.Module]:
    """Return what to put in place of the first and the last layer of a chain."""
    return nn.Sequential(_Entry(limit), first), nn.Sequential(last, _Exit())
