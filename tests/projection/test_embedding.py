"""UMAP keeps what belongs together together, gives the same map twice, and survives little data."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from inspector.projection import nearest_neighbours, pca_map, umap_map, warm_up

GROUPS = 4


@pytest.fixture(scope="module")
def groups():
    """Four groups in ten dimensions, with their neighbours and their map."""
    rng = np.random.default_rng(0)
    truth = np.arange(240) % GROUPS
    x = (rng.normal(size=(GROUPS, 10))[truth] * 8 + rng.normal(size=(240, 10))).astype(np.float32)
    near = nearest_neighbours(x)
    return x, truth, near, umap_map(x, *near, seed=1)


def test_groups_stay_together(groups):
    _, truth, _, placed = groups
    assert placed.shape == (240, 2)
    assert placed.dtype == np.float32
    assert np.isfinite(placed).all()
    ids, _ = nearest_neighbours(placed, k=10)
    assert (truth[ids] == truth[:, None]).mean() > 0.99


def test_a_seed_gives_the_same_map_again(groups):
    x, _, near, placed = groups
    np.testing.assert_array_equal(umap_map(x, *near, seed=1), placed)
    assert not np.array_equal(umap_map(x, *near, seed=2), placed)


def test_samples_that_are_not_finite_stay_unplaced_and_the_map_is_the_same(groups):
    x, _, _, placed = groups
    harmed = np.insert(x, [5, 77], np.nan, axis=0)
    found = umap_map(harmed, *nearest_neighbours(harmed), seed=1)
    bad = np.isnan(found).all(axis=1)
    assert np.flatnonzero(bad).tolist() == [5, 78]
    np.testing.assert_array_equal(found[~bad], placed)


def test_a_start_can_be_given(groups):
    x, _, near, placed = groups
    np.testing.assert_array_equal(umap_map(x, *near, seed=1, init=pca_map(x)), placed)
    turned = umap_map(x, *near, seed=1, init=-pca_map(x))
    assert not np.array_equal(turned, placed)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 15])
def test_too_few_samples_get_their_principal_components(n):
    x = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    np.testing.assert_array_equal(umap_map(x, *nearest_neighbours(x)), pca_map(x))


@pytest.mark.parametrize("n", [16, 17, 40])
def test_a_few_samples_more_get_a_map(n):
    x = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    assert np.isfinite(umap_map(x, *nearest_neighbours(x))).all()


def test_equal_samples_get_a_place():
    same = np.ones((60, 4), np.float32)
    np.testing.assert_array_equal(umap_map(same, *nearest_neighbours(same)), np.zeros((60, 2)))
    rng = np.random.default_rng(0)
    half = np.where(np.arange(60)[:, None] % 2, rng.normal(size=(60, 4)), 0).astype(np.float32)
    assert np.isfinite(umap_map(half, *nearest_neighbours(half))).all()


def test_one_feature_and_huge_values_get_a_place():
    line = np.random.default_rng(0).normal(size=(80, 1)).astype(np.float32)
    for scale in (1, 1e36):
        x = line * np.float32(scale)
        assert np.isfinite(umap_map(x, *nearest_neighbours(x))).all()


def test_importing_the_room_costs_nothing():
    script = "import sys, inspector.projection; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "umap", "numba", "sklearn", "scipy"} & set(loaded)


@pytest.mark.slow
def test_after_the_warm_up_nothing_is_compiled():
    import numba

    warm_up()
    events = []
    rng = np.random.default_rng(0)
    x = rng.normal(size=(11_000, 60)).astype(np.float32)

    class Watch(numba.core.event.Listener):
        def on_start(self, event):
            events.append(event)

        def on_end(self, event):
            pass

    with numba.core.event.install_listener("numba:compile", Watch()):
        umap_map(x, *nearest_neighbours(x))
    assert not events
