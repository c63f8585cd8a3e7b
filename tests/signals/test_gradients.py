"""Gradients in closed form and in the sketch equal plain autograd, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from inspector.errors import BadInput
from inspector.signals import (
    GradientSketch,
    compute_signals,
    last_layer_gradient_norms,
    last_layer_gradients,
    last_layer_gram,
    residuals,
)
from inspector.signals.gradients import cross_entropy


def factors(n=20, d=7, classes=5, seed=0):
    """Activations, logits and labels of a linear layer, and its autograd gradients, in float64."""
    torch.manual_seed(seed)
    layer = nn.Linear(d, classes).double()
    h = torch.randn(n, d, dtype=torch.float64).relu() * 3
    labels = torch.arange(n) % classes
    gradients = []
    for one, label in zip(h, labels):
        layer.zero_grad()
        nn.functional.cross_entropy(layer(one[None]), label[None]).backward()
        gradients.append(torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1))
    logits = layer(h).detach().numpy()
    return h.numpy(), logits, labels.numpy(), torch.stack(gradients).numpy()


def autograd(network, x, labels):
    """Gradients at all parameters, flat, one backward pass for each sample."""
    rows = []
    parameters = list(network.parameters())
    for one, label in zip(x, labels):
        loss = nn.functional.cross_entropy(network(one[None]), label[None])
        found = torch.autograd.grad(loss, parameters)
        rows.append(torch.cat([part.flatten() for part in found]))
    return torch.stack(rows)


def test_the_closed_form_is_autograd_to_twelve_digits():
    h, logits, labels, expected = factors()
    found = last_layer_gradients(h, residuals(logits, labels))
    assert found.shape == (20, 5, 8)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_norms_and_inner_products_follow_from_the_factors():
    h, logits, labels, expected = factors()
    r = residuals(logits, labels)
    flat = expected.reshape(len(h), -1)
    np.testing.assert_allclose(
        last_layer_gradient_norms(h, r), np.linalg.norm(flat, axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(last_layer_gram(h, r), flat @ flat.T, rtol=0, atol=1e-11)


def test_signals_of_a_pass_give_the_gradients_of_the_network(make_model, make_data, tmp_path):
    model, data = make_model(), make_data(12)
    signals = compute_signals(model, data, tmp_path / "s")
    r = residuals(signals.get("logits"), data.labels)
    found = last_layer_gradients(signals.get("activations"), r)
    network = model.network.requires_grad_(True)
    x = model.preprocess(np.stack(data.images))
    expected = autograd(network, x, torch.from_numpy(data.labels.copy()).long())
    head = expected[:, -(4 * 12 + 4) :]
    np.testing.assert_allclose(found[:, :, :12].reshape(12, -1), head[:, :48], atol=1e-5)
    np.testing.assert_allclose(found[:, :, 12], head[:, 48:], atol=1e-5)


def test_residuals_keep_their_digits_where_the_network_is_sure():
    logits = np.array([[40.0, 0.0, -5.0]], np.float32)
    found = residuals(logits, np.array([0]))
    assert found.dtype == np.float32
    assert found[0, 0] == pytest.approx(-np.exp(-40) * (1 + np.exp(-5)), rel=1e-5)
    assert found.sum() == pytest.approx(0, abs=1e-24)


def test_residuals_of_unknown_labels_are_nan():
    found = residuals(np.zeros((3, 2)), np.array([-1, 2, 1]))
    assert np.isnan(found).all(axis=1).tolist() == [True, True, False]


def test_cross_entropy_is_torchs_and_survives_huge_margins():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 8, (200, 6))
    labels = rng.integers(0, 6, 200)
    expected = nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), reduction="none"
    )
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-9, atol=1e-12)
    far = cross_entropy(np.array([[1e6, 0.0], [0.0, 1e6], [0.0, 50.0]]), np.array([0, 0, 1]))
    np.testing.assert_allclose(far, [0, 1e6, np.exp(-50)], rtol=1e-12)


def test_the_sketch_is_autograd_times_the_same_projection(make_model):
    model = make_model()
    network = model.network.double()
    torch.manual_seed(3)
    x = torch.randn(9, 1, 8, 8, dtype=torch.float64)
    labels = torch.arange(9) % 4
    sketch = GradientSketch(network, classes=4, k=11, seed=5)
    projection = np.zeros((len(sketch.buckets), 11))
    projection[np.arange(len(sketch.buckets)), sketch.buckets] = sketch.signs
    assert set(np.unique(sketch.signs)) == {-1, 1}
    found = sketch(x, labels)
    exact = autograd(network.requires_grad_(True), x, labels).numpy()
    np.testing.assert_allclose(found, exact @ projection, rtol=0, atol=1e-12)


def test_the_size_of_a_chunk_does_not_matter_to_the_sketch(make_model):
    sketch = GradientSketch(make_model().network, classes=4, k=6, seed=0)
    x, labels = torch.randn(10, 1, 8, 8), torch.arange(10) % 4
    whole = sketch(x, labels)
    for size in (1, 3):
        parts = [sketch(*part) for part in zip(x.split(size), labels.split(size))]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)


def test_the_seed_alone_decides_the_projection(make_model):
    network = make_model().network
    one, same, other = (GradientSketch(network, 4, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(one.buckets, same.buckets)
    assert torch.equal(one.signs, same.signs)
    assert not torch.equal(one.buckets, other.buckets)


def test_inner_products_survive_the_projection(make_model):
    network = make_model().network
    x, labels = torch.randn(30, 1, 8, 8), torch.arange(30) % 4
    exact = autograd(network.requires_grad_(True), x, labels)
    exact = exact / exact.norm(dim=1, keepdim=True)
    gram, k = exact @ exact.T, 256
    errors = []
    for seed in range(20):
        sketch = GradientSketch(network, 4, k, seed)
        found = sketch.project(dict(_by_name(network, exact)))
        errors.append((found @ found.T - gram).numpy())
    errors = np.stack(errors)
    assert np.abs(errors.mean(0)).max() < 4 / np.sqrt(20 * k) * 2
    assert errors.std() < 2 / np.sqrt(k)


def _by_name(network, flat):
    start = 0
    for name, value in network.named_parameters():
        yield name, flat[:, start : start + value.numel()].reshape(-1, *value.shape)
        start += value.numel()


def test_normalisation_in_eval_mode_is_not_disturbed_by_gradients(make_model):
    network = make_model().network
    before = network.norm.running_mean.clone()
    GradientSketch(network, 4, 5, 0)(torch.randn(4, 1, 8, 8), torch.zeros(4, dtype=torch.long))
    assert torch.equal(network.norm.running_mean, before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_that_cannot_be_batched_is_one_clear_line():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc2 = nn.Linear(64, 4)

        def forward(self, x):
            x = x.flatten(1)
            return self.fc2(x) if float(x.sum()) > 0 else self.fc2(-x)

    sketch = GradientSketch(Odd().eval(), 4, 5, 0)
    with pytest.raises(BadInput, match="Per-sample gradients of this network"):
        sketch(torch.randn(4, 1, 8, 8), torch.zeros(4, dtype=torch.long))
