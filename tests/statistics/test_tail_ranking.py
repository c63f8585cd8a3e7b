"""One order over all classes: a planted group before the natural outliers of other classes."""

from __future__ import annotations

import numpy as np

from inspector.statistics.clusters import simplified_silhouette, two_means
from inspector.statistics.ranking import lifted, tail_ranking
from inspector.statistics.rows import (
    as_scores,
    at_unit_scale,
    finite_rows,
    robust_location_scale,
)


def _scores(seed=0):
    """Six classes of 500: the fourth with 45 planted members, the second with a heavy tail."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6), 500)
    columns = np.abs(random.standard_normal((3000, 3)))
    columns[labels == 1] = np.abs(random.standard_t(4, (500, 3)))
    planted = np.zeros(3000, np.bool_)
    planted[1500:1545] = True
    columns[planted, :2] += 12
    return dict(zip("abc", columns.T)), labels, planted


def test_a_planted_group_leads_the_whole_dataset():
    columns, labels, planted = _scores()
    ranking = tail_ranking(columns, labels, 6)
    assert planted[np.argsort(-ranking.tails)[:45]].mean() > 0.95
    assert ranking.statistics.argmax() == 3


def test_the_units_of_a_class_and_of_a_column_do_not_matter():
    columns, labels, _ = _scores()
    scaled = {name: values * (1 + 99 * (labels == 2)) for name, values in columns.items()}
    scaled["b"] = scaled["b"] * 1e6 + 3
    one, other = (tail_ranking(given, labels, 6).tails for given in (columns, scaled))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_one_detector_alone_is_enough_and_a_blind_one_does_no_harm():
    columns, labels, planted = _scores()
    alone = tail_ranking({"a": columns["a"]}, labels, 6).tails
    assert planted[np.argsort(-alone)[:45]].mean() > 0.95
    blind = tail_ranking({**columns, "d": np.zeros(3000)}, labels, 6).tails
    assert planted[np.argsort(-blind)[:45]].mean() > 0.95


def test_one_freak_does_not_make_its_class_suspicious():
    columns, labels, _ = _scores()
    for values in columns.values():
        values[2600] = 1e9
    assert tail_ranking(columns, labels, 6).statistics.argmax() == 3


def test_what_was_not_scored_is_not_ranked():
    columns, labels, _ = _scores()
    for values in columns.values():
        values[:10] = np.nan
    columns["a"][10:20] = np.nan
    labels[20:30] = -1
    found = tail_ranking(columns, labels, 6)
    assert np.isnan(found.tails[:10]).all()
    assert np.isfinite(found.tails[10:20]).all()
    assert np.isnan(found.tails[20:30]).all()
    assert np.isnan(tail_ranking({}, labels, 7).tails).all()
    assert np.isnan(tail_ranking(columns, labels, 7).statistics[6])


def test_a_lift_keeps_the_order_within_a_class():
    columns, labels, _ = _scores()
    tails = tail_ranking(columns, labels, 6).tails
    raised = lifted(tails, labels, np.array([0, 0, 0, 9.0, -5, 0]))
    np.testing.assert_allclose(raised[labels == 3], 1.6 * tails[labels == 3])
    np.testing.assert_array_equal(raised[labels != 3], tails[labels != 3])


def test_two_means_finds_a_small_cluster_every_time():
    random = np.random.default_rng(0)
    points = random.standard_normal((3000, 5)).astype(np.float32)
    points[7::20] += np.float32([9, 0, 0, 0, 0])
    smaller, centres = two_means(points)
    assert smaller[7::20].all()
    assert smaller.sum() == 150
    assert simplified_silhouette(points, centres) > simplified_silhouette(points, centres * 0)
    np.testing.assert_array_equal(smaller, two_means(points)[0])


def test_points_that_coincide_are_one_cluster():
    smaller, centres = two_means(np.ones((5, 2), np.float32))
    assert not smaller.any()
    np.testing.assert_array_equal(centres, np.ones((2, 2)))


def test_rows_that_cannot_be_computed_with_are_told():
    rows = np.ones((5, 3))
    rows[1, 0], rows[2, 1], rows[3, 2] = np.nan, np.inf, 1e300
    np.testing.assert_array_equal(finite_rows(rows), [True, False, False, False, True])
    assert finite_rows(np.empty((0, 3))).shape == (0,)


def test_scale_and_scores_stay_within_float32():
    scaled, factor = at_unit_scale(np.full((2, 2), 3e30, np.float32))
    assert scaled.max() == 1
    np.testing.assert_allclose(factor, 3e30, rtol=1e-6)
    same, one = at_unit_scale(np.ones((2, 2), np.float32))
    assert one == 1
    assert same.dtype == np.float32
    found = as_scores(np.array([1e300, -1e300, np.nan, 1.0]))
    assert np.isfinite(found[[0, 1, 3]]).all()
    assert np.isnan(found[2])


def test_the_scale_survives_values_of_which_half_coincide():
    middle, scale = robust_location_scale(np.array([0.0, 0, 0, 0, 10]))
    assert middle == 0
    assert scale == 4
    assert robust_location_scale(np.ones(4)) == (1, 0)
