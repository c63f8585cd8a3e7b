"""The built-in networks under their usual names and in their usual sizes, for the table that ships.

Weights of other depths and widths are recognised too: this is what a nearest match is looked for
in, and what a spec can name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from inspector.intake.models.networks.layer_chain import LayerChain
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.preact_resnet import PreActResNet
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.networks.vgg_bn import SMALL_WIDTHS, STAGES, VGGBN
from inspector.intake.models.networks.wide_resnet import WideResNet

_BASIC = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_WIDTHS = (64, 128, 256, 512)
_THIN = (16, 32, 64)
_WIDE = ((16, 4), (16, 8), (28, 10), (34, 10), (40, 2), (40, 4))


def canonical(num_classes: int = 10, in_channels: int = 3) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds each built-in network, by name."""
    made: dict[str, Callable[[], nn.Module]] = {}

    def add(name: str, build: Callable[..., nn.Module], *arguments: Any, **keywords: Any) -> None:
        made[name] = lambda: build(*arguments, **keywords)

    counts = (in_channels, num_classes)
    for depth, blocks in (_BASIC | _BOTTLENECK).items():
        deep = depth in _BOTTLENECK
        out = [width * 4 for width in _WIDTHS] if deep else _WIDTHS
        sizes: dict[str, Any] = {"blocks": blocks, "out": out, "bottleneck": deep}
        add(f"resnet{depth}_small", SmallResNet, *counts, **sizes)
        add(f"preact_resnet{depth}", PreActResNet, *counts, **sizes)
    for depth in (20, 32, 44, 56, 110):
        thin = {"blocks": ((depth - 2) // 6,) * 3, "middle": _THIN, "out": _THIN, "stem": 16}
        add(f"resnet{depth}", SmallResNet, *counts, shortcut="pad", **thin)
    for depth, widen in _WIDE:
        add(f"wide_resnet{depth}_{widen}", WideResNet, *counts, depth, widen)
    for depth in STAGES:
        add(f"vgg{depth}_bn_small", VGGBN, depth, *counts)
        add(f"vgg{depth}_small", _plain_vgg, depth, *counts)
    add("vgg6_bn_small", _small_vgg, *counts)
    add("plain_cnn", PlainCNN, *counts, 28 if in_channels == 1 else 32)
    add("mlp", _mlp, *counts)
    return made


def _plain_vgg(depth: int, in_channels: int, num_classes: int) -> nn.Module:
    """Make a VGG without normalisation: a convolution and an activation, a pooling per stage."""
    layers: list[dict[str, Any]] = []
    width, place = in_channels, 0
    pools = []
    for stage in STAGES[depth]:
        for wide in stage:
            layers.append(_layer("conv", f"features.{place}", width, wide, kernel=3))
            width, place = wide, place + 2
        pools.append(len(layers) - 1)
        place += 1
    layers.append(_layer("linear", "classifier", width, num_classes))
    return LayerChain(layers, pools=pools, pooled=1)


def _small_vgg(in_channels: int, num_classes: int, side: int = 32) -> nn.Module:
    """Make the VGG of backdoor papers: three stages of two, each with a pooling and a dropout."""
    layers: list[dict[str, Any]] = []
    width = in_channels
    for place, wide in enumerate(SMALL_WIDTHS):
        # A stage is eight places long: convolution, normalisation, activation, twice, two more.
        at = place // 2 * 8 + place % 2 * 3
        norm = f"features.{at + 1}"
        layers.append(_layer("conv", f"features.{at}", width, wide, kernel=3, norm=norm))
        width = wide
    left = side // 8
    layers.append(_layer("linear", "classifier", width * left * left, num_classes))
    return LayerChain(layers, pools=(1, 3, 5), activation="elu")


def _mlp(in_channels: int, num_classes: int, widths: Sequence[int] = (512, 256)) -> nn.Module:
    layers = []
    width = in_channels * (28 * 28 if in_channels == 1 else 32 * 32)
    for number, wide in enumerate((*widths, num_classes), 1):
        layers.append(_layer("linear", f"fc{number}", width, wide))
        width = wide
    return LayerChain(layers)


def _layer(kind: str, name: str, inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "inputs": inputs,
        "outputs": outputs,
        "bias": True,
        "norm": "",
        **more,
    }
