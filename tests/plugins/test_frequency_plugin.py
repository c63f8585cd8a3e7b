"""The shipped example keeps the contract and finds what it says it finds."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from inspector.api import Context
from inspector.detectors.execution import run_detector
from inspector.detectors.registry import load_file
from inspector.places import bundled_plugins
from inspector.testing import check_detector

(ENTRY,) = load_file(bundled_plugins() / "frequency.py")


def _finding(pictures, labels, **parameters):
    signals = {"thumbnails": pictures, "labels": labels.astype(np.int32)}
    names = [str(index) for index in range(int(labels.max()) + 1)]
    return run_detector(ENTRY.factory(), Context(signals, names), parameters)


def _auroc(scores, truth):
    ranks = scores.argsort().argsort()
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive - 1) / 2) / (positive * (~truth).sum())


def test_contract():
    assert ENTRY.status == "ready"
    check_detector(ENTRY.factory)


@pytest.fixture(scope="module")
def clothes(real_data):
    folder = real_data / "fashion-mnist"
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as stream:
        pictures = np.frombuffer(stream.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as stream:
        labels = np.frombuffer(stream.read(), np.uint8, offset=8)
    return pictures, labels


def test_a_pasted_patch_on_real_pictures(clothes):
    pictures, labels = clothes[0].copy(), clothes[1].copy()
    truth = np.zeros(len(labels), np.bool_)
    truth[np.random.default_rng(0).choice(np.flatnonzero(labels != 3), 100, replace=False)] = True
    pictures[truth, 24:27, 24:27] = 255
    labels[truth] = 3
    finding = _finding(pictures, labels)
    assert _auroc(finding.scores, truth) > 0.95
    assert finding.verdict == "none"


def test_a_sinusoid_shows_within_its_class_and_in_the_residual_spectrum(clothes):
    pictures, labels = clothes[0].astype(np.float64), clothes[1]
    truth = np.zeros(len(labels), np.bool_)
    truth[np.flatnonzero(labels == 4)[:200]] = True
    wave = 40 * np.sin(2 * np.pi * 6 * np.arange(28) / 28)
    pictures[truth] = (pictures[truth] + wave[None, None, :, None]).clip(0, 255)
    finding = _finding(pictures.astype(np.uint8), labels)
    inside = labels == 4
    assert _auroc(finding.scores[inside], truth[inside]) > 0.9
    assert finding.artifacts["mean_residual_spectrum"].shape == (10, 8, 8)


def test_pictures_without_artefacts_have_no_class_far_above_the_others(clothes):
    finding = _finding(*clothes)
    statistics = [result.statistic for result in finding.classes]
    assert max(statistics) < 3 * np.median(statistics)


def test_settings_and_odd_sizes():
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (40, 13, 9, 3), dtype=np.uint8)
    finding = _finding(pictures, np.arange(40) % 2, block=5, lowest=3)
    assert np.isfinite(finding.scores).all()
    few = _finding(pictures[:9], np.arange(9) % 2)
    assert np.isnan(few.scores).all()
