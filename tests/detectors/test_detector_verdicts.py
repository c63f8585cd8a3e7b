"""What may be said with and without a verified sample."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import ClassResult
from inspector.detectors.calibration import calibrate
from inspector.detectors.standing import class_standing, class_verdicts, verdicts_of, worst


def _scored(classes=4, size=300, planted=40, seed=0):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), size)
    scores = random.standard_normal(classes * size).astype(np.float32)
    scores[:planted] += 8
    return scores, labels, random


def _verify(labels, known, random, skip=0):
    verified = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[rows >= skip]
        verified[random.choice(rows, known, replace=False)] = True
    return verified


def _calibrate(scores, labels, verified, classes=4):
    names = [f"c{index}" for index in range(classes)]
    return calibrate(scores, scores[:, None], labels, verified, names)


def test_a_class_with_a_group_that_nobody_verified_is_significant():
    scores, labels, random = _scored()
    found = _calibrate(scores, labels, _verify(labels, 60, random, skip=40))
    assert found.tested
    assert found.class_p_holm[0] <= 0.01
    assert (found.class_p_holm[1:] > 0.05).all()
    assert (found.class_p_holm >= found.class_p).all()
    assert found.sample_p[:40].max() <= 0.05


def test_clean_classes_are_high_in_few_scans():
    accused = 0
    for seed in range(40):
        scores, labels, random = _scored(planted=0, size=120, seed=seed)
        found = _calibrate(scores, labels, _verify(labels, 30, random))
        accused += bool((found.class_p_holm <= 0.05).any())
    assert accused <= 6  # 2 expected of 40; more than 6 once in 200


def test_too_few_verified_means_no_p_value_and_says_how_many_more():
    scores, labels, random = _scored()
    verified = _verify(labels, 20, random)
    verified[np.flatnonzero(verified & (labels == 2))[:7]] = False
    found = _calibrate(scores, labels, verified)
    assert np.isnan(found.class_p[2])
    assert np.isnan(found.sample_p[labels == 2]).all()
    assert np.isfinite(found.sample_p[labels == 1]).all()
    assert any("7 more of c2" in text for text in found.caveats)
    none = _calibrate(scores, labels, np.zeros(len(labels), np.bool_))
    assert not none.tested
    assert none.caveats == ("No class has p-values: verify 20 more random samples of each.",)


def test_the_resolution_is_told():
    scores, labels, random = _scored()
    found = _calibrate(scores, labels, _verify(labels, 60, random))
    # level 0.05 / 4 classes; 240 others and 60 verified: ln 0.0125 / ln 0.8 = 19.6.
    assert any("fewer than 20 samples cannot become significant" in text for text in found.caveats)


def test_samples_without_a_score_have_no_p_value():
    scores, labels, random = _scored()
    scores[5] = np.nan
    found = _calibrate(scores, labels, _verify(labels, 60, random, skip=40))
    assert np.isnan(found.sample_p[5])


def test_standing_is_on_a_log_scale_and_ignores_units():
    statistics = np.array([1.0, 1.2, 0.9, 1.1, 1.0, 30.0, np.nan])
    standing = class_standing(statistics)
    assert standing[5] > 4
    assert np.abs(standing[:5]).max() < 1
    assert standing[6] == 0
    np.testing.assert_allclose(standing, class_standing(statistics * 1e5))


@pytest.mark.parametrize("statistics", [[1.0], [1.0, 50.0], [1.0, 1.0, 99.0], []])
def test_few_classes_cannot_stand_out(statistics):
    assert not class_standing(np.array(statistics)).any()
    rated = class_verdicts([ClassResult(i, value) for i, value in enumerate(statistics)])
    assert rated.verdict == "none"
    assert "nothing to compare" in rated.caveats[0]


def test_without_calibration_nothing_is_more_than_medium():
    heights = np.array([-9, 2.3, 2.4, 3.7, 3.8, 1e9])
    assert verdicts_of(heights, 10) == ["none", "none", "low", "low", "medium", "medium"]
    assert verdicts_of(heights, 1000)[:5] == ["none", "none", "none", "none", "low"]
    assert worst(["low", "none"]) == "low"
    assert worst([]) == "none"
    found = [ClassResult(i, 1 + 0.1 * i) for i in range(8)] + [ClassResult(8, 1e6)]
    rated = class_verdicts(found)
    assert rated.verdict == "medium"
    assert [result.verdict for result in rated.classes] == [*["none"] * 8, "medium"]
    assert "no error rate" in rated.caveats[0]
