"""ResNets with normalisation before each convolution (He et al. 2016b, Identity mappings)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from inspector.intake.models.networks.resnet_small import DEPTHS, Shapes, count_stages, pooled_side


class PreActBlock(nn.Module):
    """Normalise, activate, convolve, twice or (bottleneck) three times, beside a shortcut."""

    def __init__(
        self, in_channels: int, middle: int, out_channels: int, stride: int, bottleneck: bool
    ) -> None:
        super().__init__()
        if bottleneck:
            shapes = [(in_channels, middle, 1, 1), (middle, middle, 3, stride)]
            shapes.append((middle, out_channels, 1, 1))
        else:
            shapes = [(in_channels, middle, 3, stride), (middle, out_channels, 3, 1)]
        self.depth = len(shapes)
        for number, (wide_in, wide_out, kernel, step) in enumerate(shapes, 1):
            self.add_module(f"bn{number}", nn.BatchNorm2d(wide_in))
            convolution = nn.Conv2d(wide_in, wide_out, kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{number}", convolution)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / stride, w / stride)."""
        out = F.relu(self.get_submodule("bn1")(x))
        beside = x if self.shortcut is None else self.shortcut(out)
        out = self.get_submodule("conv1")(out)
        for number in range(2, self.depth + 1):
            out = F.relu(self.get_submodule(f"bn{number}")(out))
            out = self.get_submodule(f"conv{number}")(out)
        return out + beside


class PreActResNet(nn.Module):
    """A pre-activation ResNet with a 3×3 first layer; parameters as in `SmallResNet`.

    ``final`` names a last normalisation, which the widespread 18-layer version lacks (empty).
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
        bottleneck: bool = False,
        head: str = "linear",
        final: str = "",
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem, kernel, 1, kernel // 2, bias=False)
        width = stem
        self._stages = [f"layer{number}" for number in range(1, len(blocks) + 1)]
        for place, name in enumerate(self._stages):
            stage = nn.Sequential()
            for block in range(blocks[place]):
                step = 2 if place and not block else 1
                stage.append(PreActBlock(width, middle[place], out[place], step, bottleneck))
                width = out[place]
            self.add_module(name, stage)
        self._final, self._head = final, head
        if final:
            self.add_module(final, nn.BatchNorm2d(width))
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        self.add_module(head, nn.Linear(width * pooled * pooled, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, in_channels, h, w) to logits (b, num_classes)."""
        x = self.conv1(x)
        for name in self._stages:
            x = self.get_submodule(name)(x)
        if self._final:
            x = F.relu(self.get_submodule(self._final)(x))
        return self.get_submodule(self._head)(self.avgpool(x).flatten(1))


def read_preact(shapes: Shapes) -> dict[str, Any] | None:
    """Read the arguments of `PreActResNet` off the weights, or return None."""
    stages = count_stages(shapes)
    if "conv1.weight" not in shapes or not stages or "conv1.bias" in shapes:
        return None
    bottleneck = "layer1.0.conv3.weight" in shapes
    last = "conv3" if bottleneck else "conv2"
    numbers = range(1, len(stages) + 1)
    middle = [shapes[f"layer{stage}.0.conv1.weight"][0] for stage in numbers]
    out = [shapes.get(f"layer{stage}.0.{last}.weight", (0,))[0] for stage in numbers]
    head = next((name for name in ("linear", "fc") if f"{name}.weight" in shapes), None)
    pooled = pooled_side(shapes.get(f"{head}.weight", ()), out[-1])
    if not all(out) or head is None or pooled is None:
        return None
    finals = [key[: -len(".running_mean")] for key in shapes if key.endswith(".running_mean")]
    finals = [name for name in finals if "." not in name]
    return {
        "in_channels": shapes["conv1.weight"][1],
        "num_classes": shapes[f"{head}.weight"][0],
        "blocks": stages,
        "middle": middle,
        "out": out,
        "stem": shapes["conv1.weight"][0],
        "kernel": shapes["conv1.weight"][-1],
        "bottleneck": bottleneck,
        "head": head,
        "final": finals[0] if finals else "",
        "pooled": pooled,
    }


def preact_name(arguments: Mapping[str, Any]) -> str:
    """Return the usual name of such a network."""
    blocks = tuple(arguments["blocks"])
    if arguments["bottleneck"] and blocks == (3, 4, 6, 3):
        return "preact_resnet50"
    depth = DEPTHS.get(blocks)
    if depth is None and len(blocks) == 3 and len(set(blocks)) == 1:
        depth = 6 * blocks[0] + 2
    return f"preact_resnet{depth}" if depth else "preact_resnet_" + "_".join(map(str, blocks))
