"""The principal components are right, whatever the size and the faults of the activations."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.projection import pca, pca_map


def cloud(n=300, d=20, seed=0):
    """Points with falling spread along rotated axes."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (rng.normal(size=(n, d)) * (10 * 0.7 ** np.arange(d)) @ rotation + 5).astype(np.float32)


def by_svd(x):
    """The textbook: centred, singular value decomposition, largest loading positive."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    axes = right[:2]
    axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])[:, None]
    return centred @ axes.T


@pytest.mark.parametrize("shape", [(300, 20), (100, 700), (900, 600)])
def test_it_is_the_textbooks_whichever_way_it_is_computed(shape):
    x = cloud(*shape)
    found = pca_map(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_svd(x), atol=2e-3)


def test_large_data_are_fitted_on_a_seeded_part_and_placed_in_full(monkeypatch):
    x = cloud(4000)
    monkeypatch.setattr(pca, "_FIT_VALUES", 20 * 1000)
    monkeypatch.setattr(pca, "_APPLY_VALUES", 20 * 77)
    found, same, other = pca_map(x, seed=1), pca_map(x, seed=1), pca_map(x, seed=2)
    np.testing.assert_array_equal(found, same)
    assert not np.array_equal(found, other)
    for column in range(2):
        assert np.corrcoef(found[:, column], by_svd(x)[:, column])[0, 1] > 0.99


def test_rows_are_placed_by_themselves():
    x = cloud()
    rows = np.array([3, 200, 50, 9, 120])
    np.testing.assert_allclose(pca_map(x, rows=rows), by_svd(x[rows]), atol=1e-3)


def test_samples_that_are_not_finite_stay_unplaced_and_disturb_nobody():
    x = cloud()
    harmed = np.insert(x, [7, 100], [[np.nan] * 20, [np.inf] * 20], axis=0)
    found = pca_map(harmed)
    bad = np.isnan(found).all(axis=1)
    assert np.flatnonzero(bad).tolist() == [7, 101]
    np.testing.assert_allclose(found[~bad], pca_map(x), atol=1e-5)


@pytest.mark.parametrize("n", range(4))
def test_few_samples_have_a_place(n):
    found = pca_map(cloud(n, 600))
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()


def test_what_has_no_variance_is_zero():
    np.testing.assert_array_equal(pca_map(np.full((50, 9), 7, np.float32)), np.zeros((50, 2)))
    line = np.arange(50, dtype=np.float32)[:, None]
    found = pca_map(line)
    np.testing.assert_allclose(found[:, 0], line[:, 0] - 24.5)
    assert not found[:, 1].any()
    assert not pca_map(line * np.ones((1, 700), np.float32))[:, 1].any()


def test_huge_and_tiny_activations_do_not_overflow():
    x = cloud()
    for scale in (1e30, 1e-30):
        found = pca_map(x.astype(np.float64) * scale)
        np.testing.assert_allclose(found / np.float32(scale), by_svd(x), atol=2e-3)


def test_a_memory_map_will_do(tmp_path):
    x = cloud()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)
    np.testing.assert_array_equal(pca_map(mapped), pca_map(x))
