"""Likeness of last-layer gradients: equal to the written-out formula, and finds what was planted."""

from __future__ import annotations

import numpy as np

from inspector.statistics.influence import influence


def test_it_is_the_whitened_product_of_the_gradients_by_the_own_length() -> None:
    random = np.random.default_rng(0)
    rows, row = random.standard_normal((50, 4)), random.standard_normal(4)
    values, value = np.c_[rows, np.ones(50)], np.append(row, 1)
    moment = values.T @ values / 50
    inverse = np.linalg.inv(moment + 0.1 * np.trace(moment) / 5 * np.eye(5))
    expected = [v @ inverse @ value / np.sqrt(v @ inverse @ v) for v in values]
    np.testing.assert_allclose(influence(rows, row), expected, rtol=1e-9)


def test_a_small_direction_of_its_own_counts_more_than_large_common_ones() -> None:
    """Without whitening the directions in which all samples vary decide who is alike."""
    random = np.random.default_rng(1)
    scales = np.array([40.0, 20, 10, 1, 1, 1])
    rows = random.standard_normal((1000, 6)) * scales
    rows[:15, 5] += 12
    incident = random.standard_normal(6) * scales
    incident[5] += 12
    found = np.argsort(-influence(rows, incident, damping=1e-3))[:15]
    plain = rows @ incident / np.linalg.norm(rows, axis=1)
    assert np.isin(found, np.arange(15)).mean() > 0.8
    assert np.isin(np.argsort(-plain)[:15], np.arange(15)).mean() < 0.3
