"""Courses of training with known kinds: early, late, never, and what is ordinary."""

from __future__ import annotations

import numpy as np

from inspector.statistics.courses import (
    EARLY,
    LATE,
    NEVER,
    ORDINARY,
    early_learning,
    kind_of_course,
    standard_courses,
)

TIMES = 4


def planted() -> tuple[np.ndarray, np.ndarray]:
    """A class of 500, of which the first 20 carry a trigger, 20 wrong labels, 20 learned by heart."""
    random = np.random.default_rng(0)
    means = np.tile(np.array([1.0, 2.0, 3.0, 4.0]), (500, 1))
    means[:20] = [-3, 8, 10, 12]
    means[20:40] = [-5, -6, -6, -5]
    means[40:60] = [-5, -5, -3, 1]
    kinds = np.full(500, ORDINARY)
    kinds[:20], kinds[20:40], kinds[40:60] = EARLY, NEVER, LATE
    return means + random.normal(0, 0.5, means.shape), kinds


def test_each_kind_is_told() -> None:
    margins, kinds = planted()
    found = kind_of_course(margins)
    np.testing.assert_array_equal(found[kinds != ORDINARY], kinds[kinds != ORDINARY])
    assert (found[kinds == ORDINARY] == ORDINARY).mean() > 0.95
    scores = early_learning(margins)
    order = [scores[kinds == kind].mean() for kind in (EARLY, ORDINARY, NEVER)]
    assert order == sorted(order, reverse=True)
    assert scores[kinds == EARLY].min() > scores[kinds != EARLY].max()


def test_the_order_of_samples_and_the_unit_of_margins_do_not_matter() -> None:
    margins, _ = planted()
    scores = early_learning(margins)
    np.testing.assert_allclose(early_learning(7 * margins[::-1])[::-1], scores)


def test_equal_margins_have_no_course() -> None:
    same = np.zeros((5, TIMES))
    assert not standard_courses(same).any()
    assert not early_learning(same).any()
    assert not kind_of_course(same).any()
