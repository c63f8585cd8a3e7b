"""ResNets whose first layer suits small images, under the names that training scripts use."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from inspector.intake.models.networks.residual import ResidualBlock

Shapes = Mapping[str, tuple[int, ...]]

DEPTHS = {(2, 2, 2, 2): 18, (3, 4, 6, 3): 34, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}


class SmallResNet(nn.Module):
    """A ResNet of any number of stages; every stage after the first halves the resolution.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; answers.
    blocks : sequence of int
        Blocks in each stage.
    middle, out : sequence of int
        Inner and outer width of the blocks of each stage.
    stem : int
        Width after the first convolution.
    kernel, stride : int
        Of the first convolution.
    pool : bool
        Whether a 3×3 max-pool with stride 2 follows it.
    bottleneck : bool
        Blocks of three convolutions instead of two.
    groups : int
        Groups of the 3×3 convolution in a bottleneck.
    shortcut : str
        "shortcut", "downsample" or "pad"; see `ResidualBlock`.
    head : str
        Name of the last linear layer.
    pooled : int
        Side to which the last feature map is averaged.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        blocks: Sequence[int] = (2, 2, 2, 2),
        middle: Sequence[int] = (64, 128, 256, 512),
        out: Sequence[int] = (64, 128, 256, 512),
        stem: int = 64,
        kernel: int = 3,
        stride: int = 1,
        pool: bool = False,
        bottleneck: bool = False,
        groups: int = 1,
        shortcut: str = "shortcut",
        head: str = "linear",
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()
        width = stem
        self._stages = [f"layer{number}" for number in range(1, len(blocks) + 1)]
        for place, name in enumerate(self._stages):
            stage = nn.Sequential()
            for block in range(blocks[place]):
                step = 2 if place and not block else 1
                made = ResidualBlock(
                    width, middle[place], out[place], step, bottleneck, groups, shortcut
                )
                stage.append(made)
                width = out[place]
            self.add_module(name, stage)
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        self._head = head
        self.add_module(head, nn.Linear(width * pooled * pooled, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, in_channels, h, w) to logits (b, num_classes)."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for name in self._stages:
            x = self.get_submodule(name)(x)
        return self.get_submodule(self._head)(self.avgpool(x).flatten(1))


def read_resnet(shapes: Shapes) -> dict[str, Any] | None:
    """Read the arguments of `SmallResNet` off the weights, or return None.

    What the shapes do not show (stride of the first layer, a pool after it) keeps its default.
    """
    stages = count_stages(shapes)
    if "conv1.weight" not in shapes or not stages:
        return None
    bottleneck = "layer1.0.conv3.weight" in shapes
    last = "conv3" if bottleneck else "conv2"
    middle = [shapes[f"layer{stage}.0.conv1.weight"][0] for stage in range(1, len(stages) + 1)]
    out = [
        shapes.get(f"layer{stage}.0.{last}.weight", (0,))[0] for stage in range(1, len(stages) + 1)
    ]
    if not all(out) or shapes.get("layer1.0.bn1.weight") != (middle[0],):
        return None
    head = next((name for name in ("linear", "fc") if f"{name}.weight" in shapes), None)
    pooled = pooled_side(shapes.get(f"{head}.weight", ()), out[-1])
    if head is None or pooled is None:
        return None
    stem = shapes["conv1.weight"]
    inner = shapes.get("layer1.0.conv2.weight", (0, 0))
    kinds = [
        kind
        for kind in ("shortcut", "downsample")
        if any(f".{kind}.0.weight" in key for key in shapes)
    ]
    return {
        "in_channels": stem[1],
        "num_classes": shapes[f"{head}.weight"][0],
        "blocks": stages,
        "middle": middle,
        "out": out,
        "stem": stem[0],
        "kernel": stem[-1],
        "bottleneck": bottleneck,
        "groups": middle[0] // inner[1] if bottleneck and inner[1] else 1,
        "shortcut": kinds[0] if kinds else "pad",
        "head": head,
        "pooled": pooled,
    }


def resnet_name(arguments: Mapping[str, Any]) -> str:
    """Return the usual name of such a network."""
    blocks = tuple(arguments["blocks"])
    if len(blocks) == 3 and not arguments["bottleneck"] and len(set(blocks)) == 1:
        name = f"resnet{6 * blocks[0] + 2}"
        return name if arguments["stem"] == 16 else f"{name}_width{arguments['stem']}"
    if arguments["bottleneck"] and blocks == (3, 4, 6, 3):
        depth: int | None = 50
    else:
        depth = DEPTHS.get(blocks)
    if depth is None:
        return "resnet_" + "_".join(map(str, blocks)) + "_small"
    return f"resnet{depth}_small" if arguments["groups"] == 1 else f"resnext{depth}_small"


def count_stages(shapes: Shapes) -> list[int]:
    """Count the blocks of ``layer1.0``, ``layer1.1`` …, ``layer2.0`` …; empty if one is missing."""
    found: dict[int, set[int]] = {}
    for key in shapes:
        match = re.match(r"layer(\d{1,2})\.(\d{1,3})\.conv1\.weight$", key)
        if match:
            found.setdefault(int(match[1]), set()).add(int(match[2]))
    stages = [found.get(stage, set()) for stage in range(1, len(found) + 1)]
    if any(blocks != set(range(len(blocks))) or not blocks for blocks in stages):
        return []
    return [len(blocks) for blocks in stages]


def pooled_side(head: tuple[int, ...], width: int) -> int | None:
    """Return the side of the feature map that the head sees, or None when that is no square."""
    if len(head) != 2 or not width or head[1] % width:
        return None
    side = math.isqrt(head[1] // width)
    return side if side and side * side * width == head[1] else None
