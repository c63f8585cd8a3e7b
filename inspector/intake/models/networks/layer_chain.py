"""Networks that are one chain of layers: convolutions, then linear layers, whatever their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
"""Activations that are tried, the likelier ones first."""


class LayerChain(nn.Module):
    """A chain of layers under the names that the weights have.

    Parameters
    ----------
    layers : sequence of mapping
        In order, each with ``kind`` ("conv" or "linear"), ``name``, ``inputs``, ``outputs``,
        ``bias``, for a convolution ``kernel``, and ``norm``: name of the normalisation behind it,
        or "".
    pools : sequence of int
        Numbers of the layers (counted from 0) that a pooling by 2 follows.
    strided : sequence of int
        Numbers of the convolutions with stride 2.
    padding : str
        "same", "none", or "first": only the first convolution keeps the size.
    pooled : int
        Side to which the last feature map is averaged; 0 leaves it as it is.
    activation : str
        One of `ACTIVATIONS`, after every layer but the last.
    pooling : str
        "max" or "avg".
    order : str
        "norm-act" or "act-norm".
    """

    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        pools: Sequence[int] = (),
        strided: Sequence[int] = (),
        padding: str = "same",
        pooled: int = 0,
        activation: str = "relu",
        pooling: str = "max",
        order: str = "norm-act",
    ) -> None:
        super().__init__()
        self._order: list[str] = []
        convolutions = sum(layer["kind"] == "conv" for layer in layers)
        for number, layer in enumerate(layers):
            last = number == len(layers) - 1
            if number == convolutions:
                if pooled and convolutions:
                    self._append("avgpool", nn.AdaptiveAvgPool2d(pooled))
                self._append("flatten", nn.Flatten())
            if layer["kind"] == "conv":
                kept = padding == "same" or (padding == "first" and number == 0)
                made: nn.Module = nn.Conv2d(
                    layer["inputs"],
                    layer["outputs"],
                    layer["kernel"],
                    2 if number in strided else 1,
                    layer["kernel"] // 2 if kept else 0,
                    bias=layer["bias"],
                )
                norm: type[nn.Module] = nn.BatchNorm2d
            else:
                made = nn.Linear(layer["inputs"], layer["outputs"], bias=layer["bias"])
                norm = nn.BatchNorm1d
            self._append(layer["name"], made)
            behind: list[tuple[str, nn.Module]] = []
            if not last:
                behind.append((f"{activation}{number + 1}", ACTIVATIONS[activation]()))
            if layer["norm"]:
                place = 0 if order == "norm-act" else len(behind)
                behind.insert(place, (layer["norm"], norm(layer["outputs"])))
            if number in pools:
                kind = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
                behind.append((f"{pooling}pool{number + 1}", kind(2)))
            for name, module in behind:
                self._append(name, module)

    def _append(self, name: str, module: nn.Module) -> None:
        # Weights may be called "features.0": the containers on the way are made as needed.
        *folders, last = name.split(".")
        parent: nn.Module = self
        for folder in folders:
            if folder not in parent._modules:
                parent.add_module(folder, nn.Module())
            parent = parent.get_submodule(folder)
        parent.add_module(last, module)
        self._order.append(name)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, channels, h, w) to logits (b, num_classes)."""
        for name in self._order:
            x = self.get_submodule(name)(x)
        return x
