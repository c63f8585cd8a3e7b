"""Defects of other implementations that ours must not have, each on data that shows the defect."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context
from inspector.detectors.activation_clustering import ActivationClustering
from inspector.detectors.execution import run_detector
from inspector.detectors.spectral import SpectralSignatures
from inspector.detectors.spectral_whitened import WhitenedSpectrum


def _context(activations, labels, classes):
    signals = {"activations": activations.astype(np.float32), "labels": labels.astype(np.int32)}
    return Context(signals, [str(index) for index in range(classes)])


def _auroc(scores, truth):
    ranks = scores.argsort().argsort()
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive - 1) / 2) / (positive * (~truth).sum())


def _upside_down():
    """One class far from the origin whose planted members lie on the side of the origin."""
    random = np.random.default_rng(0)
    activations = random.standard_normal((1000, 8)) + [20, 0, 0, 0, 0, 0, 0, 0]
    truth = np.zeros(1000, np.bool_)
    truth[:60] = True
    activations[truth, 0] -= 8
    return activations, truth


def test_projected_rows_are_centred():
    """Madry's code, ART, BackdoorBench and BackdoorBox project uncentred rows: worse than chance."""
    activations, truth = _upside_down()
    top = np.linalg.svd(activations - activations.mean(axis=0), full_matrices=False)[2][0]
    assert _auroc(np.abs(activations @ top), truth) < 0.05
    finding = run_detector(SpectralSignatures(), _context(activations, np.zeros(1000), 1))
    assert _auroc(finding.scores, truth) > 0.99


def test_spectral_scores_are_those_of_the_paper():
    random = np.random.default_rng(1)
    labels = np.arange(300) % 3
    activations = random.standard_normal((300, 6)) * [3, 1, 1, 1, 1, 1] + labels[:, None]
    finding = run_detector(SpectralSignatures(), _context(activations, labels, 3))
    for label in range(3):
        rows = np.flatnonzero(labels == label)
        centred = activations[rows] - activations[rows].mean(axis=0)
        top = np.linalg.svd(centred, full_matrices=False)[2][0]
        np.testing.assert_allclose(finding.scores[rows], (centred @ top) ** 2, rtol=1e-3, atol=1e-4)


def test_scores_stand_at_the_rows_of_the_dataset():
    """BackdoorBox returns positions within the class; TrojanZoo returns the class itself."""
    random = np.random.default_rng(2)
    labels = random.permutation(np.arange(600) % 3)
    activations = random.standard_normal((600, 5))
    odd = np.flatnonzero(labels == 2)[7:19]
    activations[odd] += 20
    for detector in (SpectralSignatures(), WhitenedSpectrum(), ActivationClustering()):
        finding = run_detector(detector, _context(activations, labels, 3))
        assert set(np.argsort(-finding.scores)[:12]) == set(odd)


@pytest.mark.parametrize("seed", range(3))
def test_activation_clustering_accuses_no_clean_class(seed):
    """ART and others flag the smaller cluster of every class: a third of clean data."""
    random = np.random.default_rng(seed)
    labels = np.arange(4000) % 8
    activations = random.standard_normal((4000, 20)) + 4 * random.standard_normal((8, 20))[labels]
    finding = run_detector(ActivationClustering(), _context(activations, labels, 8))
    assert finding.verdict == "none"
    assert {result.verdict for result in finding.classes} == {"none"}


def test_activation_clustering_remarks_on_a_class_of_two_kinds():
    random = np.random.default_rng(5)
    labels = np.arange(4000) % 8
    activations = random.standard_normal((4000, 20)) + 4 * random.standard_normal((8, 20))[labels]
    planted = np.flatnonzero(labels == 3)[:50]
    activations[planted] += 6 * random.standard_normal(20)
    finding = run_detector(ActivationClustering(), _context(activations, labels, 8))
    assert max(finding.classes, key=lambda result: result.statistic).index == 3
    assert np.isin(np.argsort(-finding.scores)[:50], planted).mean() > 0.9


def test_whitening_finds_what_the_largest_variance_hides():
    """Where a natural direction is wider than the planted one, the published score is blind."""
    random = np.random.default_rng(3)
    labels = np.arange(6000) % 6
    wide = np.array([12, *[1] * 15])
    activations = (
        random.standard_normal((6000, 16)) * wide + random.standard_normal((6, 16))[labels]
    )
    truth = np.zeros(6000, np.bool_)
    truth[np.flatnonzero(labels == 4)[:30]] = True
    activations[truth, 5] += 9
    ctx = _context(activations, labels, 6)
    inside = labels == 4
    published = run_detector(SpectralSignatures(), ctx).scores
    whitened = run_detector(WhitenedSpectrum(), ctx).scores
    assert _auroc(published[inside], truth[inside]) < 0.7
    assert _auroc(whitened[inside], truth[inside]) > 0.99
    assert _auroc(whitened, truth) > 0.99


def test_no_poison_rate_is_asked_for():
    """Others need the true rate; nothing that a scan runs by itself has such a setting."""
    from inspector.detectors import discover

    names = {
        parameter.name
        for entry in discover(folders=[], entry_points=False)
        if entry.info.by_default
        for parameter in entry.info.parameters
    }
    assert names == {"directions", "components", "nearly"}
