"""The beginning of a network in the memory layout that oneDNN works fastest in.

In that layout a max-pool takes a third of the time, and a convolution less; bringing numbers into it
and back costs as much as both save, so it is for a chain of layers that begins with a few numbers and
ends with a few: convolutions, ReLUs and max-pools, from the picture to the last pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from inspector.triggers.picture_layer import PictureLayer

_LAYERS = (nn.Conv2d, PictureLayer, nn.ReLU, nn.MaxPool2d, nn.Identity)
_GAIN = 4.0
"""Numbers within a chain for each that enters or leaves it, at least."""


class _Packing(nn.Module):
    """Brings numbers into the layout, or back."""

    def __init__(self, *, back: bool) -> None:
        super().__init__()
        self._back = back

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.to_dense() if self._back else values.to_mkldnn()


class _Call(NamedTuple):
    """One layer at work; tensors are held, for a freed one's identity is soon another one's."""

    layer: nn.Module
    given: torch.Tensor
    made: torch.Tensor


def packed_chain(network: nn.Module, inputs: torch.Tensor) -> Sequence[str]:
    """Return the names of layers, one behind the other, that are worth the other layout.

    Parameters
    ----------
    network : Module
        In eval mode, on a CPU.
    inputs : Tensor, shape (b, C, H, W)
    """
    if not torch.backends.mkldnn.is_available() or inputs.dtype != torch.float32:
        return []
    calls: list[_Call] = []

    def note(layer: nn.Module, given: Any, made: Any) -> None:
        if (
            len(given) == 1
            and isinstance(given[0], torch.Tensor)
            and isinstance(made, torch.Tensor)
        ):
            calls.append(_Call(layer, given[0], made))

    handles = [
        layer.register_forward_hook(note)
        for layer in network.modules()
        if type(layer) in _LAYERS and not layer._forward_pre_hooks
    ]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    chain: list[_Call] = []
    for call in calls:
        if chain and call.given is not chain[-1].made:
            break
        chain.append(call)
    while chain and not isinstance(chain[-1].layer, (nn.MaxPool2d, nn.ReLU)):
        chain.pop()
    layers = [call.layer for call in chain]
    once = all(sum(other.layer is layer for other in calls) == 1 for layer in layers)
    if not once or not any(isinstance(layer, nn.MaxPool2d) for layer in layers):
        return []
    within = sum(call.made.numel() for call in chain if not isinstance(call.layer, nn.Identity))
    if within < _GAIN * (chain[0].given.numel() + chain[-1].made.numel()):
        return []
    names = {layer: name for name, layer in network.named_modules()}
    return [names[layer] for layer in layers]


def pack(first: nn.Module, last: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return what to put in place of the first and the last layer of a chain."""
    return nn.Sequential(_Packing(back=False), first), nn.Sequential(last, _Packing(back=True))
