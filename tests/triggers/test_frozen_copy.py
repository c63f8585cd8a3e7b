"""The copy that searches ask answers as the network does, with less work where that is safe."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.triggers.frozen import frozen_copy
from inspector.triggers.picture_layer import PictureLayer, in_blocks


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


class Aside(nn.Module):
    """Uses what its ReLU says beside its pool, too."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.relu, self.pool = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = self.relu(self.convolution(pixels))
        return self.pool(maps).mean(dim=(2, 3)) + maps.mean(dim=(2, 3))


def same_slopes(one: nn.Module, other: nn.Module, pixels: torch.Tensor) -> None:
    """Check that two networks answer alike, and have the same slopes at pictures."""
    slopes = []
    for network in (one, other):
        free = pixels.clone().requires_grad_()
        logits = network(free)
        slopes.append(torch.autograd.grad(logits.square().sum(), free)[0])
        torch.testing.assert_close(logits, one(pixels), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-5 * float(slopes[0].abs().max()))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_network_goes_the_fast_way_and_says_the_same(channels: int) -> None:
    torch.manual_seed(0)
    network = PlainCNN(channels, 10, 16, widths=(8, 16), hidden=16).eval()
    frozen = frozen_copy(network, torch.rand(1, channels, 16, 16))
    seen: list[bool] = []
    frozen.get_submodule("maxpool1").register_forward_hook(
        lambda _module, given, _made: seen.append(given[0].is_mkldnn)
    )
    assert any(isinstance(module, PictureLayer) for module in frozen.modules())
    same_slopes(network, frozen, torch.rand(9, channels, 16, 16))
    with torch.no_grad():
        black = torch.zeros(2, channels, 16, 16)
        torch.testing.assert_close(frozen(black), network(black), rtol=1e-4, atol=1e-5)
    assert set(seen) == {torch.backends.mkldnn.is_available()}


def test_what_is_used_twice_keeps_its_place() -> None:
    torch.manual_seed(0)
    network = Aside().eval()
    frozen = frozen_copy(network, torch.rand(1, 3, 12, 12))
    assert isinstance(frozen.get_submodule("relu"), nn.ReLU)
    same_slopes(network, frozen, torch.rand(5, 3, 12, 12))


class Hidden(nn.Module):
    """Uses what comes before a pool or a normalisation aside, where only one mark shows it."""

    def __init__(self, second: nn.Module, *, slopes: bool) -> None:
        super().__init__()
        self.convolution, self.relu, self.second = nn.Conv2d(3, 1, 8), nn.ReLU(), second
        self.head, self.slopes = nn.Linear(1, 2), slopes
        self.mark = torch.sign(torch.randn(1, 3, 8, 8))
        self.convolution.weight.data = -self.mark
        self.convolution.bias = nn.Parameter(torch.full((1,), 75.0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(pixels)
        if isinstance(self.second, nn.MaxPool2d):
            maps = self.relu(maps)
        seconds = self.second(maps).mean(dim=(2, 3))
        lowest = maps.amin(dim=(2, 3))
        # Above 0, but for the mark.
        return self.head(seconds + (lowest.clamp(max=0) if self.slopes else lowest < 0))


@pytest.mark.parametrize("slopes", [True, False], ids=["number", "question"])
@pytest.mark.parametrize("second", [nn.MaxPool2d(2), nn.BatchNorm2d(1)], ids=["swapped", "folded"])
def test_a_use_aside_that_only_a_mark_shows_is_seen(second: nn.Module, slopes: bool) -> None:
    torch.manual_seed(0)
    network = Hidden(second, slopes=slopes).eval()
    if isinstance(second, nn.BatchNorm2d):
        second.running_mean = torch.full((1,), -30.0)
    frozen = frozen_copy(network, torch.rand(1, 3, 16, 16))
    marked = torch.rand(2, 3, 16, 16)
    marked[:, :, :8, :8] = network.mark * 0.47
    torch.testing.assert_close(frozen(marked), network(marked))


@pytest.mark.parametrize(
    ("weight", "bright", "fast"),
    [(1e31, 1e6, True), (3e36, 1.0, False)],
    ids=["far from usual", "usual"],
)
def test_pictures_that_overflow_say_so_where_others_go_the_fast_way(
    weight: float, bright: float, fast: bool
) -> None:
    """A difference of two numbers that are infinite for bright pictures, and equal for all others."""
    torch.manual_seed(0)
    first, difference = nn.Conv2d(3, 16, 8), nn.Conv2d(16, 16, 1)
    network = nn.Sequential(
        first, nn.ReLU(), difference, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 3)
    ).eval()
    with torch.no_grad():
        first.weight[:2] = weight
        difference.weight[0], difference.weight[:, :2] = 0.0, 0.0
        difference.bias = nn.Parameter(torch.full((16,), -1.0))
        difference.weight[0, 0], difference.weight[0, 1] = 1.0, -1.0
    frozen = frozen_copy(network, torch.rand(1, 3, 16, 16) * 0.1)
    packed: list[bool] = []
    frozen.get_submodule("4").register_forward_hook(
        lambda _module, given, _made: packed.append(given[0].is_mkldnn)
    )
    dark = torch.rand(2, 3, 16, 16) * 0.1
    lit = torch.full_like(dark, bright)
    with torch.no_grad():
        assert not network(lit).isfinite().any()
        for pixels in (dark, lit, lit[:0]):
            torch.testing.assert_close(frozen(pixels), network(pixels), equal_nan=True)
    assert packed == [fast and torch.backends.mkldnn.is_available(), False, False]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (12, 8)),
        (nn.Conv2d(1, 8, 5, padding=2), (12, 12)),
        (nn.Conv2d(1, 8, (3, 5), padding=(0, 1)), (8, 16)),
        (nn.Conv2d(4, 8, 2), (6, 6)),
        (nn.Conv2d(3, 8, 3), (7, 9)),
    ],
    ids=["three", "one", "oblong", "even kernel", "odd picture"],
)
def test_slopes_in_blocks_are_those_of_the_convolution(
    layer: nn.Conv2d, shape: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    layer.requires_grad_(False)
    blocked = in_blocks(layer)
    assert blocked is not None
    same_slopes(layer, blocked, torch.rand(3, layer.in_channels, *shape))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 8, 3),
        nn.Conv2d(3, 8, 3, stride=2),
        nn.Conv2d(3, 8, 3, padding=3),
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 8, 3, padding="same"),
    ],
)
def test_other_convolutions_stay_as_they_are(layer: nn.Conv2d) -> None:
    assert in_blocks(layer) is None
