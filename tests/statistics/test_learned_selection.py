"""Learned selection and bounds on false discoveries keep what they promise, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.statistics.envelope import false_bounds, false_envelope
from inspector.statistics.prevalence import clopper_pearson
from inspector.statistics.selection import learned_selection, log_ranks


def _class(random, planted, size=1500, known=400, shift=5.0):
    columns = random.standard_normal((size, 4))
    truth = np.zeros(size, np.bool_)
    truth[random.permutation(size)[:planted]] = True
    columns[truth, 1] += shift
    columns[truth, 2] -= shift
    reference = np.zeros(size, np.bool_)
    reference[random.permutation(np.flatnonzero(~truth))[:known]] = True
    return columns, truth, reference


def test_the_false_discovery_rate_is_kept_and_planted_samples_are_found():
    shares, powers = [], []
    for seed in range(25):
        columns, truth, reference = _class(np.random.default_rng(seed), planted=120)
        found = learned_selection(columns, reference, seed=seed)
        chosen = found.q_values <= 0.1
        shares.append((chosen & ~truth).sum() / max(1, chosen.sum()))
        powers.append(truth[chosen].sum() / truth.sum())
    # Deviation of the mean of 25 shares is about 0.01.
    assert np.mean(shares) <= 0.12
    assert np.mean(powers) >= 0.9


def test_clean_classes_are_selected_from_in_few_runs():
    some = 0
    for seed in range(40):
        columns, _, reference = _class(np.random.default_rng(1000 + seed), planted=0)
        some += bool((learned_selection(columns, reference, seed=seed).q_values <= 0.1).any())
    assert some <= 9  # 4 of 40 at most are expected; more than 9 happens once in 100


def test_weights_are_contributions_that_add_up():
    columns, truth, reference = _class(np.random.default_rng(5), planted=60)
    found = learned_selection(columns, reference)
    scores = log_ranks(columns) @ found.weights
    assert scores[truth].min() > np.median(scores[~truth])
    # Planted high in column 1 and low in column 2: upper tails come before lower ones.
    assert set(np.argsort(-found.weights)[:2]) == {1, 4 + 2}
    pool = ~reference
    order = np.argsort(-scores[pool], kind="stable")
    assert (np.diff(found.p_values[pool][order]) >= 0).all()
    assert np.isnan(found.q_values[reference]).all()


def test_too_few_references_select_nothing():
    columns, _, reference = _class(np.random.default_rng(6), planted=60, known=39)
    assert learned_selection(columns, reference) is None
    assert learned_selection(columns, np.ones(1500, np.bool_)) is None


def test_log_ranks_by_hand():
    found = log_ranks(np.array([[1.0], [2.0], [3.0], [np.nan]]))
    np.testing.assert_allclose(found[:, 0], [0, 0, np.log(2), 0])
    np.testing.assert_allclose(found[:, 1], [np.log(2), 0, 0, 0])


@pytest.mark.parametrize(("members", "references"), [(900, 100), (300, 400)])
def test_false_bounds_hold_for_all_cuts_at_once(members, references):
    random = np.random.default_rng(9)
    runs, held = 300, 0
    for _ in range(runs):
        scores, reference = random.gumbel(size=members), random.gumbel(size=references)
        bounds = false_bounds(scores, reference)
        above = (scores[:, None] <= scores).sum(axis=1)
        held += bool((above <= bounds).all())
    # 90 % are promised: fewer than 255 of 300 happens once in 200.
    assert held >= 255


def test_a_planted_group_on_top_is_bounded_from_above_and_ties_count():
    random = np.random.default_rng(10)
    scores = np.concatenate([random.standard_normal(700), np.full(100, 9.0)])
    bounds = false_bounds(scores, random.standard_normal(300))
    assert bounds[-1] < 20  # of the hundred at or above this cut
    assert bounds[:700].max() <= 800
    assert np.isnan(false_bounds(np.array([np.nan]), np.zeros(3)))[0]
    assert (np.diff(false_envelope(500, 80)) >= 0).all()


def test_prevalence_intervals_are_exact():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(0, 300, 0.90)[1] == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-9)
    assert clopper_pearson(40, 40)[1] == 1.0
    from scipy.stats import beta

    for found, looked in ((1, 20), (7, 500), (450, 500)):
        low, high = clopper_pearson(found, looked)
        assert low == pytest.approx(beta.ppf(0.025, found, looked - found + 1), abs=1e-9)
        assert high == pytest.approx(beta.ppf(0.975, found + 1, looked - found), abs=1e-9)
