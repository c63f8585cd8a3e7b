"""Residual blocks, normalised after each convolution (He et al. 2016a, Deep residual learning)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PaddedShortcut(nn.Module):
    """Option A of He et al. 2016a, section 4.2: every second pixel, new channels are zero."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        below = (out_channels - in_channels) // 2
        self.padding = (0, 0, 0, 0, below, out_channels - in_channels - below)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / stride, w / stride)."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, or 1×1, 3×3, 1×1 (a bottleneck), beside a shortcut.

    Parameters
    ----------
    in_channels, middle, out_channels : int
        Widths; a bottleneck is a block with ``bottleneck`` true, where ``middle`` is the inner
        width.
    stride : int
        Of the (first) 3×3 convolution.
    bottleneck : bool
        Which of the two shapes.
    groups : int
        Groups of the 3×3 convolution of a bottleneck (ResNeXt).
    shortcut : str
        Name of the projection in the weights ("shortcut" or "downsample"), or "pad" for option A.
    """

    def __init__(
        self,
        in_channels: int,
        middle: int,
        out_channels: int,
        stride: int,
        bottleneck: bool,
        groups: int,
        shortcut: str,
    ) -> None:
        super().__init__()
        self.depth = 3 if bottleneck else 2
        if bottleneck:
            shapes = [(in_channels, middle, 1, 1, 1), (middle, middle, 3, stride, groups)]
            shapes.append((middle, out_channels, 1, 1, 1))
        else:
            shapes = [(in_channels, middle, 3, stride, 1), (middle, out_channels, 3, 1, 1)]
        for number, (wide_in, wide_out, kernel, step, split) in enumerate(shapes, 1):
            convolution = nn.Conv2d(
                wide_in, wide_out, kernel, step, kernel // 2, groups=split, bias=False
            )
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"bn{number}", nn.BatchNorm2d(wide_out))
        self._shortcut = "shortcut" if shortcut == "pad" else shortcut
        path: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            if shortcut == "pad":
                path = PaddedShortcut(in_channels, out_channels, stride)
            else:
                path = nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                    nn.BatchNorm2d(out_channels),
                )
        self.add_module(self._shortcut, path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / stride, w / stride)."""
        out = x
        for number in range(1, self.depth + 1):
            out = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(out))
            if number < self.depth:
                out = F.relu(out)
        return F.relu(out + self.get_submodule(self._shortcut)(x))
