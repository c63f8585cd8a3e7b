"""Half of a class lies as far from the bulk as a small group does, and one bulk is not cut in two."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.statistics.halves import bulk_location_scale, lower_half
from inspector.statistics.ranking import tail_ranking

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65])
def test_a_planted_half_is_measured_from_the_other(share):
    planted = round(share * 1000)
    values = np.concatenate([RANDOM.normal(0, 1, 1000 - planted), RANDOM.normal(8, 1, planted)])
    middle, scale = bulk_location_scale(values)
    assert abs(middle) < 0.3
    assert 0.7 < scale < 1.3


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=1000),
        RANDOM.exponential(size=1000),
        RANDOM.standard_t(3, size=1000),
        RANDOM.uniform(size=1000),
        np.zeros(50),
        np.array([1.0]),
        np.array([1.0, 2.0]),
        np.array([1e300, -1e300] * 50) + RANDOM.normal(size=100),
    ],
    ids=["normal", "exponential", "heavy", "uniform", "equal", "one", "two", "huge"],
)
def test_one_bulk_and_odd_values_stay_whole(values):
    with np.errstate(all="raise", under="ignore"):
        middle, scale = bulk_location_scale(values)
    assert np.isfinite(middle)
    assert np.isfinite(scale)
    if len(values) == 1000:
        assert lower_half(values) is None


def test_a_class_that_is_half_planted_comes_first():
    labels = np.repeat(np.arange(6), 400)
    columns = {name: RANDOM.normal(size=2400) for name in "ab"}
    planted = np.arange(1200, 1400)  # half of class 3
    for scores in columns.values():
        scores[planted] += 7
    found = tail_ranking(columns, labels, 6)
    assert found.statistics.argmax() == 3
    assert set(np.argsort(-found.tails)[:200]) == set(planted)
