"""VGG for small images (Simonyan and Zisserman 2015), with one linear layer behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inspector.intake.models.networks.layer_chain import LayerChain

STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    13: ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}
"""Widths of the convolutions; a max-pool by 2 ends every stage."""

SMALL_WIDTHS = (32, 32, 64, 64, 128, 128)
"""Widths of the small VGG with ELU that papers on backdoors use."""


class VGGBN(LayerChain):
    """``features.N`` (convolution, normalisation, ReLU …, max-pool) and one linear ``classifier``.

    Parameters
    ----------
    depth : int
        One of `STAGES`.
    in_channels, num_classes : int
        Channels of the image; answers.
    stages : sequence of sequences of int, optional
        Other widths than those of ``depth``.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        num_classes: int,
        stages: Sequence[Sequence[int]] | None = None,
    ) -> None:
        layers: list[dict[str, Any]] = []
        pools: list[int] = []
        width, place = in_channels, 0
        for stage in stages or STAGES[depth]:
            for wide in stage:
                layers.append(
                    {
                        "kind": "conv",
                        "name": f"features.{place}",
                        "inputs": width,
                        "outputs": wide,
                        "kernel": 3,
                        "bias": True,
                        "norm": f"features.{place + 1}",
                    }
                )
                width, place = wide, place + 3
            pools.append(len(layers) - 1)
            place += 1
        layers.append(
            {
                "kind": "linear",
                "name": "classifier",
                "inputs": width,
                "outputs": num_classes,
                "bias": True,
                "norm": "",
            }
        )
        super().__init__(layers, pools=pools, pooled=1)


def chain_name(layers: Sequence[Mapping[str, Any]]) -> str:
    """Return the usual name of a chain of layers: VGG where the widths say so, else its kind."""
    convolutions = [layer for layer in layers if layer["kind"] == "conv"]
    if not convolutions:
        return "mlp"
    widths = tuple(layer["outputs"] for layer in convolutions)
    normalised = "_bn" if convolutions[0]["norm"] else ""
    for depth, stages in STAGES.items():
        if widths == tuple(wide for stage in stages for wide in stage):
            return f"vgg{depth}{normalised}_small"
    if widths == SMALL_WIDTHS and {layer["kernel"] for layer in convolutions} == {3}:
        return f"vgg6{normalised}_small"
    return f"plain_cnn{normalised}"
