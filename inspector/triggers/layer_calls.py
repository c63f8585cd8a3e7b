"""What a network's layers take and give, and which layers use what another one gave.

That answers stay the same for some pictures does not show that nothing else uses the output of a layer:
what reads it aside may say the same of those pictures, and something else of a picture with a trigger.
So uses are counted where none can be missed: at every operation on the memory of the output.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Call(NamedTuple):
    """One layer at work.

    Attributes
    ----------
    layer : Module
    given, made : Tensor or None
        What it took and gave, where that is one tensor each. They are held, for a freed one's
        identity is soon another one's.
    users : set of (Module or None)
        Layers that worked on the memory of ``made`` afterwards, views of it and copies without
        slopes included; None stands for anything that is not one of the layers asked for.
    """

    layer: nn.Module
    given: torch.Tensor | None
    made: torch.Tensor | None
    users: set[nn.Module | None]


class _Watch(TorchDispatchMode):
    """Notes for each call who uses its output. Every operation comes by, with slopes or without."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._users: dict[int, list[set[nn.Module | None]]] = {}
        self._inside: nn.Module | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.used([*tree_leaves(args), *tree_leaves(kwargs or {})])
        return func(*args, **(kwargs or {}))

    def used(self, values: list[Any]) -> None:
        """Note a use of tensors by the layer that is at work."""
        for value in values:
            if isinstance(value, torch.Tensor):
                for users in self._users.get(_memory(value), ()):
                    users.add(self._inside)

    def begin(self, layer: nn.Module, _given: Any) -> None:
        self._inside = layer

    def end(self, layer: nn.Module, given: Any, made: Any) -> None:
        self._inside = None
        call = Call(
            layer,
            given[0] if len(given) == 1 and isinstance(given[0], torch.Tensor) else None,
            made if isinstance(made, torch.Tensor) else None,
            set(),
        )
        self.calls.append(call)
        if call.made is not None:
            self._users.setdefault(_memory(call.made), []).append(call.users)


def layer_calls(
    network: nn.Module, inputs: torch.Tensor, kinds: Collection[type[nn.Module]]
) -> tuple[list[Call], torch.Tensor]:
    """Run a network and return the calls of its layers of exactly these kinds, and its output.

    Parameters
    ----------
    network : Module
    inputs : Tensor, shape (b, ...)
    kinds : collection of type
        Kinds of layers that hold no other layers. Layers with hooks are left out: those may change
        what is taken or given.
    """
    watch = _Watch()
    handles = []
    for layer in network.modules():
        if type(layer) in kinds and not layer._forward_pre_hooks and not layer._forward_hooks:
            handles.append(layer.register_forward_pre_hook(watch.begin))
            handles.append(layer.register_forward_hook(watch.end))
    try:
        with torch.no_grad(), watch:
            output = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    watch.used(tree_leaves(output))
    return watch.calls, output


def _memory(value: torch.Tensor) -> int:
    if value.layout != torch.strided:
        return 0  # No view shares its memory with a tensor of another layout.
    return int(value.untyped_storage()._cdata)
