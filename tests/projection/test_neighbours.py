"""Neighbours are the nearest ones; what is degenerate gets an answer and no crash."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from inspector.projection import nearest_neighbours, neighbours


def brute(x, k):
    distance = cdist(x.astype(np.float64), x.astype(np.float64))
    np.fill_diagonal(distance, np.inf)
    ids = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(distance, ids, axis=1)


def points(n=500, d=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_all_pairs_are_exact(monkeypatch):
    monkeypatch.setattr(neighbours, "_PAIR_BYTES", 1 << 16)
    x = points() + 100  # Far from the origin, where float32 differences lose their digits.
    ids, distances = nearest_neighbours(x, k=10)
    expected, far = brute(x, 10)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_allclose(distances, far, rtol=1e-5)
    assert (ids.dtype, distances.dtype) == (np.int32, np.float32)


def test_equal_distances_are_ordered_by_row():
    x = np.array([[0.0], [1.0], [-1.0], [1.0], [-1.0]], np.float32)
    ids, distances = nearest_neighbours(x, k=4)
    assert ids[0].tolist() == [1, 2, 3, 4]
    assert ids[3].tolist() == [1, 0, 2, 4]
    assert distances[3].tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("n", range(6))
def test_fewer_others_than_wanted_leave_places_empty(n):
    ids, distances = nearest_neighbours(points(n), k=4)
    assert ids.shape == distances.shape == (n, 4)
    others = min(4, max(0, n - 1))
    assert (ids[:, :others] >= 0).all()
    assert (ids[:, others:] == -1).all()
    assert np.isinf(distances[:, others:]).all()
    assert not (ids == np.arange(n)[:, None]).any()


def test_samples_that_are_not_finite_are_nobodys_neighbours():
    x = points(60)
    x[[4, 30]] = [[np.nan], [np.inf]]
    ids, distances = nearest_neighbours(x, k=5)
    assert (ids[[4, 30]] == -1).all()
    assert np.isinf(distances[[4, 30]]).all()
    assert not np.isin(ids, [4, 30]).any()
    keep = np.delete(np.arange(60), [4, 30])
    np.testing.assert_array_equal(ids[keep], keep[brute(x[keep], 5)[0]])


def test_equal_samples_are_neighbours_at_distance_zero():
    ids, distances = nearest_neighbours(np.full((40, 3), 5, np.float32), k=6)
    assert not distances.any()
    assert all(len(set(row)) == 6 for row in ids.tolist())
    assert not (ids == np.arange(40)[:, None]).any()


def test_huge_activations_do_not_overflow():
    x = points(100) * np.float32(1e30)
    np.testing.assert_array_equal(nearest_neighbours(x, k=5)[0], brute(x / 1e30, 5)[0])


@pytest.mark.slow
class TestDescent:
    """NN-Descent, which compiles for half a minute."""

    @pytest.fixture(scope="class")
    @staticmethod
    def many():
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(40, 80)) * 3
        x = centres[rng.integers(0, 40, 12_000)] + rng.normal(size=(12_000, 80)) * 0.7**2
        return (x * 0.9 ** np.arange(80)).astype(np.float32)

    def test_it_finds_nearly_all_true_neighbours(self, many):
        ids, distances = nearest_neighbours(many, k=10)
        some = np.arange(0, 12_000, 60)
        far = cdist(many[some].astype(float), many.astype(float))
        far[np.arange(len(some)), some] = np.inf
        true = np.argsort(far, axis=1)[:, :10]
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true, ids[some])]) > 0.95
        exact = np.take_along_axis(far, ids[some].astype(int), axis=1)
        np.testing.assert_allclose(distances[some], exact, rtol=1e-5)
        assert (np.diff(distances, axis=1) >= 0).all()

    def test_a_seed_gives_the_same_neighbours_again(self, many):
        one, again = nearest_neighbours(many, seed=3), nearest_neighbours(many, seed=3)
        np.testing.assert_array_equal(one[0], again[0])
        np.testing.assert_array_equal(one[1], again[1])

    @pytest.mark.parametrize("kind", ["constant", "three values", "half equal", "one feature"])
    def test_degenerate_samples_get_neighbours(self, kind):
        rng = np.random.default_rng(0)
        x = {
            "constant": np.ones((11_000, 5)),
            "three values": rng.integers(0, 3, (11_000, 1)).repeat(5, axis=1),
            "half equal": rng.normal(size=(11_000, 5)) * (rng.random((11_000, 1)) < 0.5),
            "one feature": rng.normal(size=(11_000, 1)),
        }[kind].astype(np.float32)
        ids, distances = nearest_neighbours(x)
        assert (ids >= 0).all()
        assert np.isfinite(distances).all()
        assert not (ids == np.arange(11_000)[:, None]).any()
