"""Which layers beside the last are worth a look, chosen without labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inspector.errors import BadInput
from inspector.signals.hooks import pooled

MOST = 2
"""Layers that are chosen at most: those before the last, whose input is looked at anyway."""

AUTO = "auto"


def choose_layers(
    network: nn.Module,
    names: Sequence[str],
    example: Tensor,
    activations: Tensor,
    asked: Sequence[str] = (AUTO,),
) -> tuple[str, ...]:
    """Return the names of the layers to sweep over, in the order of computing.

    A network works in stages, each on maps of its own size, and the last module of a stage has
    gathered what the stage found. A clean-label pattern that the last layer has merged with its
    class is often still apart in the stage before.

    Parameters
    ----------
    network : nn.Module
    names : sequence of str
        Modules that run exactly once, in the order of computing.
    example : Tensor, shape (b, c, h, w)
        Any images that are not all of one colour.
    activations : Tensor, shape (b, d)
        What is looked at anyway, for the example.
    asked : sequence of str
        `AUTO` alone, or names that the analyst gave; none for no layers.

    Raises
    ------
    BadInput
        A name that is not among ``names``.
    """
    if tuple(asked) != (AUTO,):
        strange = [name for name in asked if name not in names]
        if strange:
            raise BadInput(
                f"The layer {strange[0]!r} cannot be swept over.",
                f"Modules that run once: {', '.join(names[-8:])}.",
                "Choose among them, or --layers auto.",
            )
        return tuple(name for name in names if name in asked)
    seen: dict[str, Tensor] = {}

    def look(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (3, 4) and len(output) == len(example):
            seen[name] = output.detach()

    modules = dict(network.named_modules())
    handles = [
        modules[name].register_forward_hook(
            lambda module, given, output, name=name: look(name, output)
        )
        for name in names
        if name in modules
    ]
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    stages: dict[tuple[int, ...], str | None] = {}
    for name, output in seen.items():
        places = tuple(output.shape[2:]) if output.ndim == 4 else tuple(output.shape[1:2])
        found = pooled(output)
        same = found.shape == activations.shape and torch.allclose(found, activations, atol=1e-5)
        if max(places) > 1:
            stages.pop(places, None)  # The order is that of the last module of each stage.
            stages[places] = None if same else name
    return tuple(name for name in stages.values() if name)[-MOST:]
