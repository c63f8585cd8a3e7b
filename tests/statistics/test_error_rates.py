"""p-values keep their promise: exact values by hand, error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.statistics.conformal import conformal_p_values
from inspector.statistics.multiplicity import benjamini_hochberg, holm
from inspector.statistics.permutation import (
    draws_for,
    label_permutation_test,
    smallest_significant_group,
)


def test_conformal_values_by_hand():
    found = conformal_p_values(np.array([0.5, 2, 9, np.nan]), np.array([1.0, 2, 3]))
    np.testing.assert_allclose(found, [1, 0.75, 0.25, np.nan])


def test_conformal_values_are_never_too_small_on_average():
    random = np.random.default_rng(0)
    p = np.concatenate(
        [conformal_p_values(random.gumbel(size=50), random.gumbel(size=40)) for _ in range(400)]
    )
    for level in (0.05, 0.1, 0.5):
        assert (p <= level).mean() <= level + 0.01


def test_holm_by_hand():
    np.testing.assert_allclose(
        holm(np.array([0.04, 0.01, np.nan, 0.03])), [0.06, 0.03, np.nan, 0.06]
    )
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_benjamini_hochberg_by_hand():
    found = benjamini_hochberg(np.array([0.01, 0.02, 0.03, 0.5]))
    np.testing.assert_allclose(found, [0.04, 0.04, 0.04, 0.5])


def test_a_random_verified_sample_is_seldom_significant():
    random = np.random.default_rng(1)
    rejected = 0
    for trial in range(300):
        columns = random.standard_t(3, (150, 3))
        reference = np.zeros(150, np.bool_)
        reference[random.permutation(150)[:40]] = True
        rejected += label_permutation_test(columns, reference, draws=199, seed=trial)[1] <= 0.05
    # 300 · 5 % = 15; more than 28 happens to an exact test once in 2,000.
    assert rejected <= 28


def test_a_group_that_the_verified_sample_lacks_is_found():
    random = np.random.default_rng(2)
    scores = random.standard_normal(1000)
    scores[:60] += 6
    reference = np.zeros(1000, np.bool_)
    reference[60 + random.permutation(940)[:150]] = True
    noise = random.standard_normal((1000, 2))
    statistic, p = label_permutation_test(np.column_stack([noise, scores]), reference)
    assert p <= 2 / 2000
    assert statistic > 3


def test_the_test_ignores_how_scores_are_scaled_and_survives_ties_and_nan():
    random = np.random.default_rng(3)
    scores = random.standard_normal((300, 2))
    scores[::9] = np.nan
    scores[::5, 1] = 0
    reference = np.zeros(300, np.bool_)
    reference[::4] = True
    found = label_permutation_test(scores, reference, draws=199)
    assert found == label_permutation_test(np.exp(scores), reference, draws=199)
    assert 0 < found[1] <= 1


@pytest.mark.parametrize("known", [0, 10])
def test_nothing_to_compare_is_no_evidence(known):
    reference = np.zeros(10, np.bool_)
    reference[:known] = True
    assert label_permutation_test(np.ones((10, 1)), reference) == (0.0, 1.0)


def test_a_cancel_reaches_the_draws():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_permutation_test(np.arange(40.0)[:, None], np.arange(40) < 9, check=stop)


def test_the_smallest_group_that_can_be_significant():
    assert smallest_significant_group(5000, 250) == 62
    assert smallest_significant_group(5000, 1000) == 17
    assert smallest_significant_group(50, 0) == 51
    # The promise itself: a group of that size on top of everything is missed by chance with 5 %.
    group = smallest_significant_group(900, 100)
    assert (900 / 1000) ** group <= 0.05 < (900 / 1000) ** (group - 1)


def test_enough_draws_for_many_classes():
    assert draws_for(10) == 1999
    assert 1 / (draws_for(1000) + 1) * 1000 <= 0.05
