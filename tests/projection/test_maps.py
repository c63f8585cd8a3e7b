"""Maps: right neighbours, planted groups apart, the same picture for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.projection import leading_components, nearest_neighbours, pca_map, umap_map
from inspector.projection.neighbours import _approximate


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 10, (3, 20))
    group = np.repeat(np.arange(3), 100)
    return (centres[group] + rng.normal(size=(300, 20))).astype(np.float32), group


def test_components_are_those_of_the_singular_value_decomposition(
    blobs: tuple[np.ndarray, np.ndarray],
) -> None:
    x = blobs[0].astype(float) + 1000
    placed = leading_components(x, 3)
    left, sizes, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = left[:, :3] * sizes[:3]
    for mine, theirs in zip(placed.T, expected.T, strict=True):
        assert min(np.abs(mine - theirs).max(), np.abs(mine + theirs).max()) < 1e-2


def test_asked_rows_alone_are_placed_and_broken_rows_are_not_a_number(
    blobs: tuple[np.ndarray, np.ndarray],
) -> None:
    x = blobs[0].copy()
    x[5] = np.nan
    rows = np.array([3, 5, 7])
    placed = pca_map(x, rows=rows)
    assert placed.shape == (3, 2)
    assert np.isnan(placed[1]).all()
    assert np.isfinite(placed[[0, 2]]).all()


def test_neighbours_are_the_nearest_and_each_is_its_own_first(
    blobs: tuple[np.ndarray, np.ndarray],
) -> None:
    x = blobs[0]
    ids, distances = nearest_neighbours(x, k=6)
    gaps = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2)
    expected = np.argsort(gaps, axis=1)[:, :6]
    assert (ids[:, 0] == np.arange(300)).all()
    assert (ids == expected).mean() > 0.99  # Near ties may change places in single precision.
    np.testing.assert_allclose(distances, np.take_along_axis(gaps, expected, 1), atol=5e-3)


def test_twins_and_broken_rows_do_not_disturb_the_search() -> None:
    x = np.zeros((40, 4), np.float32)
    x[20:] = 5
    x[7] = np.inf
    ids, distances = nearest_neighbours(x, k=5)
    assert (ids[7] == -1).all()
    assert not (ids == 7).any()
    good = np.setdiff1d(np.arange(40), [7])
    np.testing.assert_array_equal(ids[good, 0], good)
    assert (distances[good] == 0).all()


@pytest.mark.parametrize("n", [0, 1, 2, 14])
def test_very_few_samples_have_a_map(n: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    ids, distances = nearest_neighbours(x)
    assert ids.shape == (n, 15)
    placed = umap_map(x, ids, distances)
    assert placed.shape == (n, 2)
    assert np.isfinite(placed).all()


def test_constant_activations_have_a_map() -> None:
    x = np.ones((50, 4), np.float32)
    assert np.isfinite(umap_map(x, *nearest_neighbours(x))).all()


@pytest.mark.slow
def test_umap_keeps_groups_together_and_repeats_itself(
    blobs: tuple[np.ndarray, np.ndarray],
) -> None:
    x, group = blobs
    x = x.copy()
    x[0] = np.nan
    ids, distances = nearest_neighbours(x)
    first = umap_map(x, ids, distances, seed=3)
    np.testing.assert_array_equal(first, umap_map(x, ids, distances, seed=3))
    assert np.isnan(first[0]).all()
    centres = np.stack([first[1:][group[1:] == k].mean(0) for k in range(3)])
    nearest = np.linalg.norm(first[1:, None] - centres[None], axis=2).argmin(1)
    assert (nearest == group[1:]).mean() > 0.99


@pytest.mark.slow
def test_the_approximate_search_finds_nearly_all() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 10)).astype(np.float32)
    exact, _ = nearest_neighbours(x, k=10)
    found, _ = _approximate(x, 10, 0)
    shared = np.mean([len(np.intersect1d(a, b)) for a, b in zip(exact, found, strict=True)])
    assert shared > 9
