"""Detectors that no scan runs by itself: each finds what its paper is about, on data that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context
from inspector.detectors.collisions import FeatureCollisions
from inspector.detectors.confident_learning import ConfidentLearning
from inspector.detectors.execution import run_detector
from inspector.detectors.label_neighbours import LabelNeighbours
from inspector.detectors.loss_tails import HighLoss, LowLoss
from inspector.detectors.quantum_entropy import QuantumEntropy
from inspector.detectors.radial_kurtosis import RadialKurtosis
from inspector.detectors.spectral_whitened import WhitenedSpectrum
from inspector.detectors.statistical_contamination import StatisticalContamination
from inspector.detectors.tight_cluster import TightCluster
from inspector.statistics.gradients import margins
from inspector.statistics.neighbours import nearest, unit_rows
from inspector.statistics.radial_kurtosis import radial_kurtosis_directions, tyler_shape


def _auroc(scores, truth):
    ranks = np.argsort(np.argsort(scores))
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive - 1) / 2) / (positive * (~truth).sum())


def _classes(seed=0, n=2000, classes=4, width=16, apart=6.0):
    random = np.random.default_rng(seed)
    labels = (np.arange(n) % classes).astype(np.int32)
    centres = apart * np.linalg.qr(random.standard_normal((width, width)))[0][:classes]
    rows = random.standard_normal((n, width)) + centres[labels]
    return random, rows, labels, centres


def _context(rows, labels, centres):
    signals = {
        "activations": rows.astype(np.float32),
        "labels": labels.astype(np.int32),
        "logits": (rows @ centres.T / 6).astype(np.float32),
    }
    return Context(signals, [str(k) for k in range(len(centres))])


def _scores(detector, ctx, **settings):
    finding = run_detector(detector, ctx, settings)
    assert np.isfinite(finding.scores).all()
    return finding


def test_neighbours_of_a_moved_sample_carry_another_label():
    _, rows, labels, centres = _classes()
    truth = np.zeros(len(rows), np.bool_)
    truth[np.flatnonzero(labels == 1)[:15]] = True
    rows[truth] += centres[2] - centres[1]
    finding = _scores(LabelNeighbours(), _context(rows, labels, centres))
    assert _auroc(finding.scores, truth) > 0.99


def test_a_sample_is_no_neighbour_of_its_own():
    rows = np.eye(6)[[0, 0, 1, 1, 2, 2]] + 0.01 * np.arange(6)[:, None]
    rows = np.repeat(rows, 4, axis=0)
    labels = np.arange(24) % 2
    ctx = _context(rows, labels, np.eye(6)[:2])
    finding = _scores(LabelNeighbours(), ctx, neighbours=1)
    assert set(finding.scores.tolist()) <= {0.0, 1.0}


def test_blocks_of_neighbours_are_those_of_brute_force():
    random = np.random.default_rng(3)
    units = unit_rows(random.standard_normal((300, 7)))
    expected = np.argsort(-(units @ units.T), axis=1)[:, :5]
    for part, found, _ in nearest(units, units, 5):
        for mine, theirs in zip(found, expected[part]):
            assert set(mine) == set(theirs)


def test_a_tight_group_of_one_class_stands_out_and_dense_classes_do_not():
    random, rows, labels, centres = _classes()
    truth = np.zeros(len(rows), np.bool_)
    truth[np.flatnonzero(labels == 3)[:25]] = True
    place = centres[3] + 2 * random.standard_normal(16)
    rows[truth] = place + 0.1 * random.standard_normal((25, 16))
    rows[labels == 0] = centres[0] + 0.1 * (rows[labels == 0] - centres[0])
    finding = _scores(TightCluster(), _context(rows, labels, centres))
    assert _auroc(finding.scores, truth) > 0.99


def test_a_collision_names_the_sample_that_it_lies_beside():
    random, rows, labels, centres = _classes()
    poison, victim = np.flatnonzero(labels == 1)[:3], np.flatnonzero(labels == 2)[7]
    rows[poison] = rows[victim] + 0.05 * random.standard_normal((3, 16))
    finding = _scores(FeatureCollisions(), _context(rows, labels, centres))
    truth = np.isin(np.arange(len(rows)), [*poison, victim])
    assert set(np.argsort(-finding.scores)[:4]) == set(np.flatnonzero(truth))
    assert (finding.artifacts["collides_with"][poison] == victim).all()


def test_low_and_high_loss_are_two_sides_and_never_saturate():
    _, rows, labels, centres = _classes()
    ctx = _context(200 * rows, labels, centres)
    low, high = _scores(LowLoss(), ctx).scores, _scores(HighLoss(), ctx).scores
    np.testing.assert_array_equal(low, -high)
    assert len(np.unique(low)) > 0.99 * len(low)  # the loss itself would be 0 for nearly all
    logits = np.array([[3.0, 1.0, 0.0]])
    odds = np.exp(logits)
    expected = np.log(odds[0, 0] / (odds[0, 1] + odds[0, 2]))
    assert margins(logits, np.array([0]))[0] == pytest.approx(expected)
    assert margins(np.ones((2, 1)), np.array([0, 0])).tolist() == [0.0, 0.0]


def test_wrong_labels_are_found_and_a_learned_backdoor_is_not():
    random, rows, labels, centres = _classes(n=3000)
    ctx = _context(rows, labels, centres)
    logits = 6 * ctx.signal("logits")
    wrong = random.permutation(3000)[:60]
    given = labels.copy()
    given[wrong] = (given[wrong] + 1) % 4
    learned = np.setdiff1d(np.flatnonzero(labels == 0), wrong)[:40]
    given[learned] = 3
    logits = logits.copy()
    logits[learned, 3] += 90
    signals = {"activations": rows.astype(np.float32), "labels": given, "logits": logits}
    finding = _scores(ConfidentLearning(), Context(signals, list("abcd")))
    truth = np.isin(np.arange(3000), wrong)
    assert _auroc(finding.scores, truth) > 0.99
    assert finding.scores[learned].max() < np.median(finding.scores[wrong])


def test_scan_finds_two_groups_in_one_class_only():
    _, rows, labels, centres = _classes(n=3000)
    truth = np.zeros(3000, np.bool_)
    truth[np.flatnonzero(labels == 2)[:70]] = True
    rows[truth] += 7 * np.eye(16)[0]
    finding = _scores(StatisticalContamination(), _context(rows, labels, centres))
    inside = labels == 2
    assert _auroc(finding.scores[inside], truth[inside]) > 0.99
    assert max(finding.classes, key=lambda row: row.statistic).index == 2


def test_quantum_entropy_sees_a_group_that_points_several_ways():
    """All-to-one poison from three classes: no single direction holds more than a third of it."""
    _, rows, labels, centres = _classes(n=4000, width=24)
    truth = np.zeros(4000, np.bool_)
    own = np.flatnonzero(labels == 0)[:30]
    truth[own] = True
    for part, axis in zip(np.array_split(own, 3), (10, 15, 20)):
        rows[part] += 7 * np.eye(24)[axis]
    ctx = _context(rows, labels, centres)
    several = _auroc(_scores(QuantumEntropy(), ctx).scores, truth)
    one = _auroc(_scores(WhitenedSpectrum(), ctx).scores, truth)
    assert several > 0.98
    assert several > one


def _heavy_tails(seed=0, n=2000, width=12):
    random = np.random.default_rng(seed)
    radius = np.sqrt(5 / random.chisquare(5, n))[:, None]
    rows = radius * random.standard_normal((n, width)) * np.linspace(5, 1, width)
    truth = np.zeros(n, np.bool_)
    truth[: n // 50] = True
    rows[truth, -1] += 7
    return rows, truth


def test_radial_kurtosis_is_not_misled_by_heavy_tails():
    rows, truth = _heavy_tails()
    distances, kurtosis = radial_kurtosis_directions(rows, 4)
    best = max(_auroc(column, truth) for column in distances.T)
    assert best > 0.95
    assert kurtosis[0] == kurtosis.max() > 1.2
    squared = (rows**2 / rows.var(axis=0)).sum(axis=1)
    assert _auroc(squared, truth) < best


def test_radial_kurtosis_does_not_depend_on_how_axes_are_turned_or_scaled():
    rows, truth = _heavy_tails(1)
    mixed = rows @ np.linalg.qr(np.random.default_rng(2).standard_normal((12, 12)))[0] * 50
    for given in (rows, mixed):
        distances, _ = radial_kurtosis_directions(given, 6)
        assert max(_auroc(column, truth) for column in distances.T) > 0.95


def test_tyler_shape_makes_an_elliptical_bulk_round():
    rows, _ = _heavy_tails(3, n=6000)
    centre, turn = tyler_shape(rows[150:])
    moved = (rows[150:] - centre) @ turn
    units = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(12 * units.T @ units / len(units), np.eye(12), atol=0.12)


def test_the_radial_kurtosis_detector_ranks_planted_samples():
    _, rows, labels, centres = _classes(n=3000)
    truth = np.zeros(3000, np.bool_)
    truth[np.flatnonzero(labels == 1)[:30]] = True
    rows[truth] += 7 * np.eye(16)[3]
    finding = _scores(RadialKurtosis(), _context(rows, labels, centres))
    inside = labels == 1
    assert _auroc(finding.scores[inside], truth[inside]) > 0.95
