"""The plain network of tutorials: convolutions with ReLU and max-pool, then two linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspector.intake.models.networks.layer_chain import LayerChain


class PlainCNN(LayerChain):
    """``conv1 … convN``, each followed by ReLU and a max-pool by 2, then ``fc1``, ReLU, ``fc2``.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; answers.
    side : int
        Height and width of the image, pixels.
    widths : sequence of int
        Output channels of the convolutions.
    hidden : int
        Width of ``fc1``: the penultimate activations.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        side: int,
        widths: Sequence[int] = (32, 64),
        hidden: int = 128,
    ) -> None:
        left = side // 2 ** len(widths)
        if left < 1:
            raise ValueError(f"{len(widths)} poolings leave nothing of {side} pixels")
        layers: list[dict[str, Any]] = []
        width = in_channels
        for number, wide in enumerate(widths, 1):
            layers.append(
                {
                    "kind": "conv",
                    "name": f"conv{number}",
                    "inputs": width,
                    "outputs": wide,
                    "kernel": 3,
                    "bias": True,
                    "norm": "",
                }
            )
            width = wide
        for name, inputs, outputs in (
            ("fc1", width * left * left, hidden),
            ("fc2", hidden, num_classes),
        ):
            layers.append(
                {
                    "kind": "linear",
                    "name": name,
                    "inputs": inputs,
                    "outputs": outputs,
                    "bias": True,
                    "norm": "",
                }
            )
        super().__init__(layers, pools=range(len(widths)))
