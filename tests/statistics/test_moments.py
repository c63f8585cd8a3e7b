"""Means and scatters come out the same however rows are cut, and survive hostile values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.statistics.moments import merged, moments, nothing


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 90), max_size=6),
    offset=st.sampled_from([0.0, 50.0, -1e4]),
    seed=st.integers(0, 99),
)
def test_any_cut_merges_to_the_moments_of_all_rows(cuts, offset, seed):
    rows = np.random.default_rng(seed).normal(offset, 1, (90, 5))
    edges = [0, *sorted(cuts), 90]
    parts = [moments(rows[low:high]) for low, high in pairwise(edges)]
    whole = merged(parts, 5)
    assert whole.count == 90
    np.testing.assert_allclose(whole.mean, rows.mean(axis=0), rtol=1e-12)
    expected = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(whole.covariance, expected, rtol=1e-9, atol=1e-12)


def test_single_precision_does_not_cancel():
    """Mean 50 and deviation 0.01: E[xx] − mm in float32 is wrong by more than the value itself."""
    rows = np.random.default_rng(0).normal(50, 0.01, (20_000, 4)).astype(np.float32)
    exact = rows.astype(np.float64).var(axis=0)
    naive = (rows**2).mean(axis=0) - rows.mean(axis=0) ** 2
    assert np.abs(naive / exact - 1).max() > 1
    np.testing.assert_allclose(np.diag(moments(rows).covariance), exact, rtol=1e-5)


def test_the_chunk_size_does_not_matter():
    rows = np.random.default_rng(1).normal(3, 2, (1000, 6)).astype(np.float32)
    one, many = moments(rows), moments(rows, chunk=37)
    np.testing.assert_allclose(many.mean, one.mean, rtol=1e-6)
    np.testing.assert_allclose(many.covariance, one.covariance, rtol=1e-4, atol=1e-6)


def test_the_same_order_gives_the_same_bytes():
    rows = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    once, again = (moments(rows, chunk=64).scatter.tobytes() for _ in range(2))
    assert once == again


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_values_whose_squares_leave_float32(scale):
    rows = (np.random.default_rng(3).normal(size=(400, 3)) * scale).astype(np.float32)
    expected = np.cov(rows.T.astype(np.float64), bias=True)
    np.testing.assert_allclose(moments(rows).covariance, expected, rtol=1e-6)


def test_no_rows_are_the_neutral_element():
    some = moments(np.arange(12.0).reshape(4, 3))
    for total in (nothing(3) + some, some + nothing(3)):
        assert total.count == 4
        np.testing.assert_array_equal(total.scatter, some.scatter)
    assert not moments(np.empty((0, 3))).covariance.any()
