"""A class is measured by how the others spread, and a minority does not move what is ordinary."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.statistics.covariance import (
    concentrated_moments,
    covariance_of_others,
    pooled_covariance,
    whitener,
)
from inspector.statistics.moments import moments
from inspector.statistics.tails import contrast_direction, robust_distances, tail_direction
from inspector.statistics.whitening import LeaveOneOutWhitening


def _classes(n, d, classes, seed=0):
    random = np.random.default_rng(seed)
    mix = random.standard_normal((d, d)) / np.sqrt(d)
    return [
        (random.standard_normal((n, d)) @ mix + 5 * random.standard_normal(d)).astype(np.float32)
        for _ in range(classes)
    ]


def test_whitened_rows_have_unit_covariance():
    rows = _classes(3000, 8, 1)[0]
    white = (rows - rows.mean(axis=0)) @ whitener(np.cov(rows.T, bias=True), shrinkage=1e-6)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-2)


def test_without_any_spread_nothing_is_whitened():
    np.testing.assert_array_equal(whitener(np.zeros((3, 3))), np.eye(3))


def test_the_own_class_is_left_out_of_what_is_ordinary():
    groups = [moments(rows) for rows in _classes(200, 5, 4)]
    total = pooled_covariance(groups)
    found = covariance_of_others(groups, total, 2)
    expected = pooled_covariance([groups[0], groups[1], groups[3]])
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_array_equal(covariance_of_others(groups[:1], total, 0), total)


def test_a_giant_class_leaves_the_rest_exact():
    small, giant = _classes(200, 4, 2)
    groups = [moments(small), moments(giant * np.float32(1e9))]
    found = covariance_of_others(groups, pooled_covariance(groups), 1)
    np.testing.assert_allclose(found, groups[0].covariance, rtol=1e-9)


@pytest.mark.parametrize("width", [20, 260])
def test_a_planted_direction_leads_after_whitening(width):
    """260 columns take the route without a covariance of all columns."""
    classes = _classes(300, width, 5)
    direction = np.random.default_rng(9).standard_normal(width).astype(np.float32)
    classes[3][:20] += 3 * direction
    whitening = LeaveOneOutWhitening([lambda rows=rows: rows for rows in classes])
    variances, along = whitening.leading_coordinates(3, 4)
    assert along.shape == (300, 4)
    distances, excess = robust_distances(along @ contrast_direction(along))
    assert set(np.argsort(-np.abs(distances))[:20]) == set(range(20))
    assert excess > 5
    _, ordinary = robust_distances(whitening.leading_coordinates(1, 4)[1][:, 0])
    assert ordinary < 2
    assert variances[0] > 3


def test_the_bulk_is_found_among_a_third_of_foreign_rows():
    random = np.random.default_rng(0)
    rows = random.standard_normal((3000, 4))
    rows[::3] = 0.3 * random.standard_normal((1000, 4)) + [6, 0, 0, 0]
    location, covariance = concentrated_moments(rows, keep=0.6)
    assert abs(location[0]) < 0.3
    assert covariance[0, 0] < 2.5 < np.cov(rows.T)[0, 0]


def test_of_a_normal_bulk_the_whole_spread_is_told():
    rows = np.random.default_rng(1).standard_normal((4000, 6))
    _, covariance = concentrated_moments(rows)
    np.testing.assert_allclose(covariance, np.eye(6), atol=0.12)


def test_distances_do_not_depend_on_the_axes():
    """Implementations that take an element-wise instead of a matrix function fail this."""
    rows = np.random.default_rng(2).standard_normal((500, 6))
    rows[:15, 0] += 7
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
    one = np.abs(rows @ contrast_direction(rows))
    turned = rows @ turn
    other = np.abs(turned @ contrast_direction(turned))
    assert np.corrcoef(one, other)[0, 1] > 0.999


def test_the_tail_direction_is_where_few_lie_far_out():
    random = np.random.default_rng(4)
    halves = np.where(np.arange(400) % 2, -3.0, 3.0) + random.standard_normal(400)
    group = random.standard_normal(400)
    group[:12] += 9
    coordinates = np.stack([halves, group], axis=1)
    distances, excess, chosen = tail_direction(coordinates, coordinates.var(axis=0))
    assert chosen == 1
    assert excess > 2
    assert distances[:12].min() > distances[12:].max()
