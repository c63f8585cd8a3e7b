"""The spectrum of gradients from factors equals that of the gradients themselves."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from inspector.statistics.gradients import gradient_spectrum, margin_residuals, with_bias


def _factors(n, outputs, d, dtype=np.float64, seed=0):
    random = np.random.default_rng(seed)
    logits = 3 * random.standard_normal((n, outputs))
    residuals = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    residuals[np.arange(n), random.integers(0, outputs, n)] -= 1
    inputs = np.maximum(random.standard_normal((n, d)) * np.linspace(2, 0.2, d), 0)
    return residuals.astype(dtype), with_bias(inputs).astype(dtype)


def _dense(residuals, inputs):
    gradients = (residuals[:, :, None] * inputs[:, None, :]).reshape(len(inputs), -1)
    return gradients - gradients.mean(axis=0)


# The first three take the Gram route, the others products of the factors.
@pytest.mark.parametrize("shape", [(60, 4, 9), (200, 10, 30), (5, 3, 4), (2500, 4, 9), (900, 3, 6)])
def test_it_equals_a_decomposition_of_the_gradients(shape):
    residuals, inputs = _factors(*shape)
    centred = _dense(residuals, inputs)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(4, shape[0] - 1)
    values, coordinates = gradient_spectrum(residuals, inputs, count)
    np.testing.assert_allclose(values, singular[:count] ** 2 / shape[0], rtol=1e-9)
    for position in range(count):
        expected = left[:, position] * singular[position]
        sign = np.sign(expected @ coordinates[:, position])
        np.testing.assert_allclose(
            sign * coordinates[:, position], expected, atol=1e-5 * np.abs(expected).max()
        )


def test_coordinates_have_the_variances_that_are_told():
    residuals, inputs = _factors(2500, 5, 12)
    values, coordinates = gradient_spectrum(residuals, inputs, 3)
    np.testing.assert_allclose(coordinates.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(coordinates.var(axis=0), values, rtol=1e-6)


def test_single_precision_comes_close():
    residuals, inputs = _factors(2500, 6, 20)
    exact, _ = gradient_spectrum(residuals, inputs, 3)
    single, _ = gradient_spectrum(residuals.astype(np.float32), inputs.astype(np.float32), 3)
    np.testing.assert_allclose(single, exact, rtol=1e-4)


def test_no_array_of_all_gradients_is_built():
    n, outputs, d = 4000, 20, 63
    residuals, inputs = _factors(n, outputs, d, np.float32)
    tracemalloc.start()
    gradient_spectrum(residuals, inputs, 2, rounds=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * n * outputs * (d + 1) * 4


def test_margin_residuals_point_where_the_loss_gradient_points():
    logits = np.random.default_rng(1).standard_normal((50, 7))
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    odds[:, 2] -= 1
    margin = margin_residuals(logits, 2).astype(np.float64)
    cosine = (odds * margin).sum(axis=1) / np.linalg.norm(odds, axis=1)
    np.testing.assert_allclose(cosine, np.linalg.norm(margin, axis=1), rtol=1e-6)
    np.testing.assert_allclose(margin.sum(axis=1), 0, atol=1e-6)


def test_margin_residuals_survive_a_network_that_is_sure():
    """Softmax minus one-hot is exactly zero here; the direction is still known."""
    logits = np.array([[200.0, 3, 1], [-1e4, 1e4, 0]], np.float32)
    found = margin_residuals(logits, 0)
    np.testing.assert_allclose(found[0], [-1, 0.8808, 0.1192], atol=1e-4)
    np.testing.assert_allclose(found[1], [-1, 1, 0])
    assert not margin_residuals(np.ones((2, 1), np.float32), 0).any()
