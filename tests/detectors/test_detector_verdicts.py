"""What may be said with and without a verified sample."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.api import ClassResult
from inspector.detectors.calibration import calibrate
from inspector.detectors.standing import bounded, class_standing, class_verdicts, verdicts_of, worst


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
    assert found.class_p_holm[0] <= 0.02
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


def test_a_verified_sample_that_was_picked_is_doubted_and_a_drawn_one_is_not():
    scores, labels, random = _scored(planted=0, size=600)
    drawn = _calibrate(scores, labels, _verify(labels, 100, random))
    assert not any("seem to have been chosen" in text for text in drawn.caveats)
    first = np.zeros(len(labels), np.bool_)
    for label in range(4):
        first[np.flatnonzero(labels == label)[:100]] = True
    assert any("place in the dataset" in text for text in _calibrate(scores, labels, first).caveats)
    tame = np.zeros(len(labels), np.bool_)
    for label in range(4):
        rows = np.flatnonzero(labels == label)
        tame[rows[np.argsort(scores[rows])[:100]]] = True
    assert any("how they score" in text for text in _calibrate(scores, labels, tame).caveats)


def test_poison_that_an_audit_found_is_no_reference_but_was_drawn():
    """Poison is often appended: what is left of a random draw without it looks picked by place."""
    scores, labels, random = _scored(classes=1, size=1200, planted=0)
    scores[-120:] += 8
    codes = np.zeros(1200, np.int8)
    drawn = random.permutation(1200)[:500]
    codes[drawn] = np.where(drawn >= 1080, 3, 1)
    found = _calibrate(scores, labels, codes, classes=1)
    assert found.class_p_holm[0] <= 0.02
    assert not any("seem to have been chosen" in text for text in found.caveats)
    assert np.isfinite(found.q_value[codes == 3]).all()
    assert np.isnan(found.q_value[codes == 1]).all()


def test_label_noise_that_the_audit_met_is_ordinary():
    """Without the wrong labels in the reference, noise alone would make a class "high"."""
    accused = 0
    for seed in range(20):
        scores, labels, random = _scored(classes=1, size=1500, planted=0, seed=seed)
        noisy = random.random(1500) < 0.08
        scores[noisy] += 5
        codes = np.zeros(1500, np.int8)
        drawn = random.permutation(1500)[:400]
        codes[drawn] = np.where(noisy[drawn], 2, 1)
        found = _calibrate(scores, labels, codes, classes=1)
        accused += found.class_p_holm[0] <= 0.05
        assert found.class_p_clean[0] <= 0.05
        if found.class_p_holm[0] > 0.05:
            assert any("label noise, or poison that passes for it" in c for c in found.caveats)
    assert accused <= 4  # 1 of 20 is expected; more than 4 happens once in 400


def test_a_verdict_is_at_most_one_step_above_what_the_distances_support() -> None:
    said = bounded(["medium", "medium", "low", "none"], ["none", "low", "none", "medium"])
    assert said == ["low", "medium", "low", "none"]
