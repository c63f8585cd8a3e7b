"""Wide residual networks (Zagoruyko and Komodakis 2016), in the two spellings in circulation.

They differ in more than names. In the "block" spelling the shortcut of a widening block starts
after the activation and the first convolution has the stride; in the "layer" spelling it starts
before it and the second one has the stride.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from inspector.intake.models.networks.resnet_small import Shapes, count_stages, pooled_side


class WideBlock(nn.Module):
    """A pre-activation block of the "block" spelling: ``convShortcut`` behind the activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.convShortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.convShortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / stride, w / stride)."""
        active = F.relu(self.bn1(x))
        out = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return out + (x if self.convShortcut is None else self.convShortcut(active))


class WideBiasBlock(nn.Module):
    """A pre-activation block of the "layer" spelling: biases, and a shortcut from the raw input."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut.append(nn.Conv2d(in_channels, out_channels, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / stride, w / stride)."""
        out = self.conv1(F.relu(self.bn1(x)))
        return self.conv2(F.relu(self.bn2(out))) + self.shortcut(x)


class WideResNet(nn.Module):
    """A wide ResNet of three stages.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; answers.
    depth, widen : int
        As in its name, WRN-depth-widen; depth is 6 n + 4.
    spelling : str
        "block" (``block1.layer.0``, head ``fc``) or "layer" (``layer1.0``, head ``linear``).
    stem : int
        Width after the first convolution.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        depth: int = 28,
        widen: int = 10,
        spelling: str = "block",
        stem: int = 16,
    ) -> None:
        super().__init__()
        biased = spelling == "layer"
        self.conv1 = nn.Conv2d(in_channels, stem, 3, 1, 1, bias=biased)
        width = stem
        self._stages = []
        for place in range(3):
            out = 16 * widen * 2**place
            blocks = nn.Sequential()
            for block in range((depth - 4) // 6):
                step = 2 if place and not block else 1
                blocks.append((WideBiasBlock if biased else WideBlock)(width, out, step))
                width = out
            name = f"layer{place + 1}" if biased else f"block{place + 1}"
            stage: nn.Module = blocks if biased else nn.Sequential()
            if not biased:
                stage.add_module("layer", blocks)
            self.add_module(name, stage)
            self._stages.append(name)
        self.bn1 = nn.BatchNorm2d(width)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self._head = "linear" if biased else "fc"
        self.add_module(self._head, nn.Linear(width, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, in_channels, h, w) to logits (b, num_classes)."""
        x = self.conv1(x)
        for name in self._stages:
            x = self.get_submodule(name)(x)
        x = F.relu(self.bn1(x))
        return self.get_submodule(self._head)(self.avgpool(x).flatten(1))


def read_wide(shapes: Shapes) -> dict[str, Any] | None:
    """Read the arguments of `WideResNet` off the weights, or return None."""
    stem = shapes.get("conv1.weight", ())
    if len(stem) != 4:
        return None
    if "block1.layer.0.conv1.weight" in shapes:
        spelling, head, first = "block", "fc", "block1.layer.0.conv1.weight"
        found = [re.match(r"block1\.layer\.(\d{1,3})\.conv1\.weight$", key) for key in shapes]
        blocks = sum(match is not None for match in found)
    else:
        spelling, head, first = "layer", "linear", "layer1.0.conv1.weight"
        stages = count_stages(shapes)
        blocks = stages[0] if len(stages) == 3 and "conv1.bias" in shapes else 0
    width = shapes.get(first, (0,))[0]
    answers = shapes.get(f"{head}.weight", ())
    if not blocks or not width or width % 16 or pooled_side(answers, 4 * width) != 1:
        return None
    return {
        "in_channels": stem[1],
        "num_classes": answers[0],
        "depth": 6 * blocks + 4,
        "widen": width // 16,
        "spelling": spelling,
        "stem": stem[0],
    }


def wide_name(arguments: Mapping[str, Any]) -> str:
    """Return the usual name of such a network."""
    return f"wide_resnet{arguments['depth']}_{arguments['widen']}"
