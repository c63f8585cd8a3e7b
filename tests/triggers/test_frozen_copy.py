"""The copy that searches ask answers as the network does, with less work where that is safe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.triggers.frozen import frozen_copy


class Fork(nn.Module):
    """Uses what the convolution says twice: behind its normalisation, and as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(pixels)
        return (self.norm(maps).relu() + maps).mean(dim=(2, 3))


class Twice(nn.Module):
    """Asks one convolution two times, and normalises one answer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(self.convolution(pixels))).mean(dim=(2, 3))


class Reads(nn.Module):
    """Reads a number of its normalisation, which a replacement does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(pixels)).mean(dim=(2, 3)) + self.norm.eps


def lived_in(network: nn.Module) -> nn.Module:
    """Give normalisations statistics as training leaves them: not those that change nothing."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for part in (module.running_mean, module.running_var, module.weight, module.bias):
                assert part is not None
                part.data = torch.rand(part.shape, generator=random) + 0.5
    return network


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("network", "left"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()), 0),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten()), 1),
        (SmallResNet(3, 10, blocks=(1, 1, 1), middle=(4, 4, 4), out=(4, 8, 8), stem=4), 0),
        (Fork(), 1),
        (Twice(), 1),
        (Reads(), 1),
    ],
    ids=["chain", "activation between", "residual", "fork", "twice", "reads"],
)
def test_answers_and_slopes_stay_and_the_network_is_not_touched(
    network: nn.Module, left: int
) -> None:
    torch.manual_seed(0)
    network = lived_in(network).eval()
    before = {name: part.clone() for name, part in network.state_dict().items()}
    frozen = frozen_copy(network, torch.rand(1, 3, 12, 12))
    assert norms(frozen) == left
    assert not any(part.requires_grad for part in frozen.parameters())
    pixels = torch.rand(5, 3, 12, 12, requires_grad=True)
    (wanted,) = torch.autograd.grad(network(pixels).square().sum(), pixels)
    (slope,) = torch.autograd.grad(frozen(pixels).square().sum(), pixels)
    scale = float(wanted.abs().max())
    torch.testing.assert_close(frozen(pixels), network(pixels), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(slope, wanted, rtol=1e-3, atol=1e-4 * scale)
    assert all(torch.equal(part, before[name]) for name, part in network.state_dict().items())
