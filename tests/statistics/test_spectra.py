"""Leading eigenpairs agree with LAPACK, on every route that the size may take."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.statistics.spectra import (
    block_krylov,
    leading_eigenpairs,
    principal_components,
    spectral_projections,
)


def _rows(n, d, seed=0):
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.standard_normal((d, d)))[0]
    spread = 5 / np.arange(1, d + 1) ** 0.7
    return (random.standard_normal((n, d)) * spread @ turn.T + 2).astype(np.float32)


@pytest.mark.parametrize("shape", [(400, 30), (900, 500), (60, 500), (20, 30), (3, 5)])
def test_principal_components_equal_a_full_decomposition(shape):
    rows = _rows(*shape)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    count = min(4, *shape)
    mean, variances, directions = principal_components(rows, count)
    np.testing.assert_allclose(mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)
    expected = values[:count] ** 2 / len(rows)
    np.testing.assert_allclose(variances, expected, rtol=1e-3, atol=1e-6)
    for position in range(min(count, len(rows) - 1)):
        assert abs(vectors[position] @ directions[:, position]) > 0.999


def test_directions_have_a_fixed_sign():
    rows = _rows(300, 12)
    _, _, directions = principal_components(rows, 3)
    _, _, mirrored = principal_components(-rows, 3)
    np.testing.assert_allclose(directions, mirrored, atol=1e-6)


def test_a_large_matrix_is_iterated_to_full_accuracy():
    random = np.random.default_rng(4)
    turn = np.linalg.qr(random.standard_normal((600, 600)))[0]
    matrix = turn * (1 / np.arange(1, 601.0)) @ turn.T
    values, vectors = leading_eigenpairs(matrix, 5)
    np.testing.assert_allclose(values, 1 / np.arange(1, 6.0), rtol=1e-9)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-6)


def test_krylov_ends_on_operators_of_low_rank_and_on_zero():
    for rank in (0, 2):
        factor = np.random.default_rng(5).standard_normal((50, rank))
        values, vectors = block_krylov(lambda block, f=factor: f @ (f.T @ block), 50, 4)
        expected = np.sort(np.linalg.eigvalsh(factor @ factor.T))[::-1][:4]
        np.testing.assert_allclose(values, expected, atol=1e-8)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-8)


def test_more_pairs_than_there_are():
    values, vectors = leading_eigenpairs(np.diag([3.0, 2.0]), 7)
    np.testing.assert_allclose(values, [3, 2])
    assert vectors.shape == (2, 2)


@pytest.mark.parametrize("shape", [(400, 30), (900, 500), (60, 500), (40_000, 12), (2, 3), (1, 4)])
def test_spectral_projections_equal_those_of_a_full_decomposition(shape):
    rows = _rows(*shape)
    exact = rows.astype(np.float64)
    exact -= exact.mean(axis=0)
    _, values, vectors = np.linalg.svd(exact, full_matrices=False)
    along, largest, total = spectral_projections(rows)
    expected = (exact @ vectors[0]) ** 2
    np.testing.assert_allclose(along**2, expected, rtol=1e-3, atol=1e-4 * (expected.max() + 1e-3))
    np.testing.assert_allclose(largest, values[0] ** 2 / len(rows), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(total, (exact**2).sum() / len(rows), rtol=1e-4, atol=1e-9)


def test_spectral_projections_far_from_the_origin_and_of_nothing():
    rows = np.random.default_rng(6).normal(5000, [3, 1, 1], (800, 3)).astype(np.float32)
    exact = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    top = np.linalg.svd(exact, full_matrices=False)[2][0]
    np.testing.assert_allclose(
        spectral_projections(rows)[0] ** 2, (exact @ top) ** 2, rtol=1e-2, atol=1e-2
    )
    along, largest, total = spectral_projections(np.ones((5, 3), np.float32))
    assert not along.any()
    assert largest == total == 0
