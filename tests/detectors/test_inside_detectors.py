"""Detectors that look inside the network, on layers with a planted group."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import Context, Module
from inspector.detectors.beatrix import Beatrix, gramian_features
from inspector.detectors.execution import run_detector
from inspector.detectors.gradient_direction import GradientDirection, away
from inspector.detectors.layer_likelihood import LayerLikelihood, lowest_likelihood


def _auroc(scores, truth):
    ranks = np.argsort(np.argsort(scores))
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive - 1) / 2) / (positive * (~truth).sum())


class Layers:
    """A network whose layers are arrays: a picture holds the number of its row."""

    def __init__(self, kinds, outputs, gradients=None):
        self.modules = tuple(
            Module(name, kind, outputs[name].shape[1]) for name, kind in kinds.items()
        )
        self._outputs, self._gradients = outputs, gradients
        self.passes_back = 0

    def outputs(self, images, names, reduce):
        rows = _rows(images)
        return {name: reduce(name, self._outputs[name][rows]) for name in names}

    def gradients(self, images, targets, names):
        self.passes_back += len(images)
        return {name: self._gradients[name][_rows(images)] for name in names}


def _rows(images):
    return [int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in images]


def _context(network, labels):
    n = len(labels)
    pictures = [np.full((1, 1, 2), (row // 256, row % 256), np.uint8) for row in range(n)]
    signals = {"labels": labels.astype(np.int32), "activations": np.ones((n, 2), np.float32)}
    return Context(
        signals,
        list("abc"),
        images=lambda rows: [pictures[int(row)] for row in rows],
        forward=lambda images: np.zeros((len(images), 3), np.float32),
        network=lambda: network,
    )


def _maps(n=900, width=6, places=9):
    random = np.random.default_rng(0)
    labels = np.arange(n) % 3
    truth = np.zeros(n, np.bool_)
    truth[np.flatnonzero(labels == 1)[:20]] = True
    shared = random.random((n, 1, places)) * (1 + labels)[:, None, None]
    maps = shared + 0.2 * random.random((n, width, places))
    return random, labels, truth, maps.astype(np.float32)


def test_gramian_features_are_those_of_the_paper_for_every_order():
    """A port left out the power, so that its eight orders were one and the same family."""
    values = np.array([[[1.0, 2.0], [3.0, -1.0]]])
    features = gramian_features(values)[0].reshape(8, 3)
    for order in range(1, 9):
        powers = values[0] ** order
        gram = powers @ powers.T
        expected = [gram[0, 0], gram[0, 1], gram[1, 1]]
        rooted = np.sign(expected) * np.abs(expected) ** (1 / order)
        np.testing.assert_allclose(features[order - 1], rooted, rtol=1e-9)
    without = np.sign(features[0]) * np.abs(features[0]) ** (1 / 3)
    assert not np.allclose(features[2], without)


def test_wide_layers_keep_the_sums_of_the_rows():
    values = np.random.default_rng(0).random((4, 40, 5))
    found = gramian_features(values).reshape(4, 8, 40)
    gram = (values**2) @ (values**2).transpose(0, 2, 1)
    np.testing.assert_allclose(found[:, 1], np.sqrt(gram.sum(axis=2)), rtol=1e-9)


def test_beatrix_finds_channels_that_go_together_in_another_way():
    """Every channel of a planted sample takes usual values; only their coming together is odd."""
    random, labels, truth, maps = _maps(places=36)
    planted = maps[truth]
    for row in planted:  # shuffling the places of each channel keeps its distribution
        for channel in row:
            random.shuffle(channel)
    maps[truth] = planted
    network = Layers({"norm": "norm"}, {"norm": maps})
    finding = run_detector(Beatrix(), _context(network, labels), {"deviations": 2.0})
    inside = labels == 1
    assert _auroc(finding.scores[inside], truth[inside]) > 0.95
    again = run_detector(Beatrix(), _context(network, labels), {"deviations": 2.0})
    assert np.array_equal(finding.scores, again.scores)


@pytest.mark.parametrize("kind", ["norm", "convolution"])
def test_layer_likelihood_needs_no_batch_normalisation(kind):
    """The published code reads running statistics, which layer and group norms do not have."""
    random, labels, truth, first = _maps()
    second = random.standard_normal(first.shape).astype(np.float32)
    second[truth, 2, 4] += 6
    kinds = {"one": kind, "two": kind, "head": "linear"}
    layers = {"one": first, "two": second, "head": second[:, :, :1]}
    network = Layers(kinds, layers)
    finding = run_detector(LayerLikelihood(), _context(network, labels))
    inside = labels == 1
    assert _auroc(finding.scores[inside], truth[inside]) > 0.97
    assert max(finding.classes, key=lambda row: row.statistic).index == 1


def test_the_lowest_likelihood_is_that_of_the_farthest_activation():
    values = np.array([[[0.0, 1.0], [4.0, 2.0]]])
    found = lowest_likelihood(values, np.array([0.0, 2.0]), np.array([1.0, 4.0]))
    assert found[0] == pytest.approx(-0.5)


def test_gradient_direction_finds_what_depends_on_the_layer_in_another_way():
    random, labels, truth, maps = _maps()
    gradients = 3 * np.eye(6)[labels] + 0.3 * random.standard_normal((900, 6))
    gradients *= random.lognormal(size=(900, 1))  # lengths say nothing
    gradients[truth] = gradients[truth][:, ::-1]
    layers = {"dull": maps, "telling": maps}
    network = Layers(
        {"dull": "norm", "telling": "norm"},
        layers,
        {"dull": random.standard_normal((900, 6)), "telling": gradients},
    )
    finding = run_detector(GradientDirection(), _context(network, labels))
    inside = labels == 1
    assert _auroc(finding.scores[inside], truth[inside]) > 0.99
    assert max(finding.classes, key=lambda row: row.statistic).index == 1
    assert network.passes_back == 900  # the authors' code goes back once for each layer


def test_the_usual_direction_is_not_that_of_a_third_of_poison():
    random = np.random.default_rng(1)
    rows = np.eye(8)[0] + 0.1 * random.standard_normal((300, 8))
    rows[:100] = np.eye(8)[1] + 0.1 * random.standard_normal((100, 8))
    angles = away(rows)
    assert np.median(angles[:100]) > 0.8
    assert np.median(angles[100:]) < 0.1
