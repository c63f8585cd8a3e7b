"""Intervals of the distance from which a planted group is found: known curves, drawn anew."""

from __future__ import annotations

import numpy as np

from inspector.statistics.frontiers import distance_interval, half_power

TRIED = np.array([2.0, 3.0, 4.0, 6.0, 8.0, 12.0])


def test_the_interval_covers_the_distance_of_a_known_curve() -> None:
    random = np.random.default_rng(0)
    runs = np.full(6, 10)
    # Logistic in the logarithm of the distance: half at 4, 80 % where 5 · log(d / 4) = log 4.
    powers = 1 / (1 + np.exp(-5 * np.log(TRIED / 4.0)))
    truth = {0.5: 4.0, 0.8: 4.0 * 4 ** (1 / 5)}
    covered = {0.5: 0, 0.8: 0}
    for _ in range(60):
        hits = random.binomial(runs, powers)
        for power, distance in truth.items():
            low, high = distance_interval(TRIED, hits, runs, power)
            covered[power] += (low or 0.0) <= distance <= (high or np.inf)
    assert min(covered.values()) >= 53
    assert max(covered.values()) <= 60


def test_more_runs_make_it_narrower_and_it_holds_the_estimate() -> None:
    hits = np.array([0, 2, 5, 8, 10, 10])
    few = distance_interval(TRIED, hits, np.full(6, 10), 0.5)
    many = distance_interval(TRIED, hits * 20, np.full(6, 200), 0.5)
    assert few[0] < many[0] < half_power(TRIED, hits, np.full(6, 10), 0.5) < many[1] < few[1]
    # The width goes with the square root of the runs: 4.5 times.
    ratio = np.log(few[1] / few[0]) / np.log(many[1] / many[0])
    assert 3 < ratio < 6


def test_the_estimate_is_where_half_of_the_groups_were_found() -> None:
    runs = np.full(6, 10)
    found = half_power(TRIED, np.array([0, 2, 5, 8, 10, 10]), runs, 0.5)
    # The curve is all but exactly at a half where 5 of 10 were found.
    assert abs(found - 4.0) < 0.2


def test_what_lies_beyond_the_distances_tried_has_no_end() -> None:
    runs = np.full(6, 10)
    never = distance_interval(TRIED, np.zeros(6, np.int64), runs, 0.8)
    assert never[1] is None
    assert distance_interval(TRIED[:0], runs[:0], runs[:0], 0.5) == (None, None)
    between = distance_interval(TRIED[:3], np.array([0, 0, 10]), runs[:3], 0.5)
    assert 2.5 < between[0] < between[1] < 4.2
