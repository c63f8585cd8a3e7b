"""Gradient directions at the last convolutions: against automatic differentiation, every route."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from inspector.errors import BadInput
from inspector.signals import compute_signals
from inspector.signals.conv_gradients import (
    ConvGradients,
    ConvSketch,
    last_convolutions,
    margin_slope,
)

CLASSES = 5
CONVS = ("plain", "strided", "grouped")


class Winding(nn.Module):
    """Convolutions of every kind, with activations that work in place behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 8, 3, padding=1)
        self.strided = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.grouped = nn.Conv2d(12, 12, (3, 1), padding="same", groups=3, padding_mode="circular")
        self.mix = nn.Conv2d(12, 12, 1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.strided(self.act(self.plain(x))))
        x = self.act(x)
        return self.head(self.mix(self.act(self.grouped(x)) + x).mean((2, 3)))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    made = Winding().eval()
    made.norm.running_mean.uniform_(-1, 1)
    made.norm.running_var.uniform_(0.5, 2)
    return made


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(9, 3, 8, 8, generator=generator), torch.arange(9) % CLASSES


def exact(network: nn.Module, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The margin gradients of each sample at each convolution, (b, out, J), by torch.func."""

    def margin(parameters: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, parameters, (one[None],))[0]
        own = torch.arange(CLASSES) == label
        others = torch.logsumexp(logits.masked_fill(own, -torch.inf), 0)
        return (logits * own).sum() - others

    parameters = {name: value.detach() for name, value in network.named_parameters()}
    found = vmap(grad(margin), in_dims=(None, 0, 0))(parameters, x, labels)
    joined = {}
    for name in CONVS:
        parts = [found[f"{name}.weight"].flatten(2)]
        if f"{name}.bias" in found:
            parts.append(found[f"{name}.bias"][:, :, None])
        joined[name] = torch.cat(parts, 2)
    return joined


def sketched(gradient: Tensor, sketch: ConvSketch) -> Tensor:
    sums = torch.zeros(len(gradient), sketch.m, dtype=gradient.dtype)
    index = sketch.buckets.flatten().expand(len(gradient), -1)
    return sums.scatter_add_(1, index, (gradient * sketch.signs).flatten(1))


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def directions(network: nn.Module, x: Tensor, labels: Tensor, m: int = 512) -> Tensor:
    with ConvGradients(network, CONVS, m, seed=3) as convolutions:
        return convolutions.run(lambda: network(x), lambda said: said, labels)[1]


# With few dimensions the columns are summed into buckets first, with many the gradient is built.
@pytest.mark.parametrize("m", [16, 1024])
def test_they_are_those_of_automatic_differentiation(
    network: nn.Module, batch: tuple[Tensor, Tensor], m: int
) -> None:
    network.double()
    x, labels = batch[0].double(), batch[1]
    gradients = exact(network, x, labels)
    modules = dict(network.named_modules())
    parts = [
        unit(sketched(gradients[name], ConvSketch(modules[name], m, 3 + place)))
        for place, name in enumerate(CONVS)
    ]
    found = directions(network, x, labels, m)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), unit(sum(parts)), atol=1e-6, rtol=0)


def test_sketched_inner_products_are_the_exact_ones_on_average_and_nearly_so_each_time(
    network: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    gradients = exact(network, *batch)
    for name in CONVS:
        module, m = dict(network.named_modules())[name], 256
        rows = unit(gradients[name].flatten(1)).unflatten(1, gradients[name].shape[1:])
        wanted = rows.flatten(1) @ rows.flatten(1).T
        errors = []
        for seed in range(60):
            small = sketched(rows, ConvSketch(module, m, seed))
            errors.append(small @ small.T - wanted)
        off = torch.stack(errors)
        assert off.square().mean().sqrt() < 2 / m**0.5
        assert (off.abs() < 4 / m**0.5).float().mean() > 0.95
        # Their mean is off by an eighth of that: no bias is left.
        assert off.mean(0).abs().max() < 4 / m**0.5 / 60**0.5 * 2


def test_how_samples_are_batched_and_ordered_changes_nothing(
    network: nn.Module, batch: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels = batch
    whole = directions(network, x, labels)
    for size in (1, 2, 5):
        parts = [directions(network, a, b) for a, b in zip(x.split(size), labels.split(size))]
        torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        directions(network, x[order], labels[order]), whole[order], atol=1e-5, rtol=0
    )
    monkeypatch.setattr("inspector.signals.conv_gradients._HELD", 1)  # one sample at a time inside
    torch.testing.assert_close(directions(network, x, labels), whole, atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_bytes_and_another_another_projection(
    network: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    assert torch.equal(directions(network, *batch), directions(network, *batch))
    with ConvGradients(network, CONVS, 512, seed=4) as other:
        found = other.run(lambda: network(batch[0]), lambda said: said, batch[1])[1]
    assert not torch.allclose(found, directions(network, *batch), atol=1e-2)


def test_normalisation_keeps_samples_apart_and_training_mode_is_refused(
    make_model, make_data, tmp_path
) -> None:
    """A sample's row is the same beside other samples: batch statistics take no part."""
    model, data = make_model(), make_data()
    first = compute_signals(model, data, tmp_path / "a", conv_sketch=256)
    alone = compute_signals(
        model, data, tmp_path / "b", conv_sketch=256, rows=np.array([7]), batch=1
    )
    rows = first.get("conv_gradients")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(alone.get("conv_gradients")[7], rows[7], atol=1e-5)
    np.testing.assert_array_equal(first.get("assessed"), np.isfinite(rows).all(axis=1))
    plain = compute_signals(model, data, tmp_path / "c")
    assert "conv_gradients" not in plain.arrays
    for name in ("logits", "activations", "loss"):
        np.testing.assert_allclose(first.get(name), plain.get(name), atol=1e-6)
    model.network.train()
    with pytest.raises(Exception, match="training mode"):
        compute_signals(model, data, tmp_path / "d", conv_sketch=256)


def test_the_network_is_left_as_it_was(network: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    before = {name: value.requires_grad for name, value in network.named_parameters()}
    assert all(before.values())
    directions(network, *batch)
    assert {name: value.requires_grad for name, value in network.named_parameters()} == before
    assert not any(module._forward_hooks for module in network.modules())
    assert all(value.grad is None for value in network.parameters())


def test_directions_stay_where_the_network_is_sure() -> None:
    """The loss gradient is zero in float32 there; the direction is not."""
    logits = torch.tensor([[200.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    slope = margin_slope(logits, torch.tensor([0, 0]))
    torch.testing.assert_close(slope[0], slope[1])
    torch.testing.assert_close(slope.sum(1), torch.zeros(2))
    assert slope[0, 0] == 1


def test_unknown_labels_have_no_direction(network: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    x, labels = batch
    labels = labels.clone()
    labels[0], labels[1] = -1, CLASSES
    found = directions(network, x, labels)
    assert found.isnan().all(1).tolist() == [True, True, *[False] * 7]


def test_the_last_convolutions_that_see_more_than_one_place_are_taken() -> None:
    network = Winding()
    names = [*CONVS, "mix", "head"]
    assert last_convolutions(network, names) == ["strided", "grouped"]
    assert last_convolutions(network, ["mix", "head"]) == ["mix"]
    with pytest.raises(BadInput, match="no convolutions"):
        last_convolutions(network, ["head"])


class Cut(nn.Module):
    """Its answer does not hang on the convolution in a way that can be followed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc2 = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.conv(x).mean((2, 3)).detach())


def test_a_network_in_which_they_cannot_be_followed_is_measured_without_them(
    make_model, make_data, tmp_path
) -> None:
    model = make_model(Cut())
    model.layers = ["conv", "fc2"]
    signals = compute_signals(model, make_data(), tmp_path / "s", conv_sketch=256)
    assert "conv_gradients" not in signals.arrays
    assert signals.get("assessed").all()


def test_several_threads_do_not_hear_each_other(network: nn.Module) -> None:
    from concurrent.futures import ThreadPoolExecutor

    generator = torch.Generator().manual_seed(5)
    parts = [torch.randn(4, 3, 8, 8, generator=generator) for _ in range(8)]
    labels = torch.tensor([0, 1, 2, 3])
    alone = [directions(network, x, labels) for x in parts]
    with (
        ConvGradients(network, CONVS, 512, seed=3) as convolutions,
        ThreadPoolExecutor(4) as pool,
    ):
        together = list(
            pool.map(lambda x: convolutions.run(lambda: network(x), lambda a: a, labels)[1], parts)
        )
    for one, other in zip(alone, together):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
