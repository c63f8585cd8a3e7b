"""Shadow networks: p-values that hold whatever classes are like, and find what one network hides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.triggers import anomaly_index, network_verdict
from inspector.triggers.calibrating import FEWEST_SHADOWS, Calibration
from inspector.triggers.calibrating import calibrate as calibrate_all

CLASSES = 10
EASE = np.array([0.0, 0.5, -0.6, 0.0, 0.5, -0.4, 0.7, -0.5, 1.6, 0.3])
"""Of each class, in log sizes: class 8 is easy to draw for every network."""


def calibrate(looks: NDArray[np.float64], shadows: NDArray[np.float64]) -> Calibration:
    return calibrate_all({"size": looks}, {"size": shadows})["size"]


def networks(count: int, seed: int) -> NDArray[np.float64]:
    """Draw minus log sizes, heavy in the tails, with a scale of its own for every network."""
    rng = np.random.default_rng(seed)
    return -4 + EASE + 0.15 * rng.standard_t(4, (count, CLASSES)) + rng.normal(0, 0.4, (count, 1))


def test_clean_networks_are_accused_as_often_as_promised() -> None:
    accused = []
    for seed in range(300):
        drawn = networks(1 + FEWEST_SHADOWS, seed)
        accused.append(np.nanmin(calibrate(drawn[0], drawn[1:]).family_p_value) <= 0.05)
    assert 0.025 < np.mean(accused) < 0.08


def test_a_backdoor_that_its_own_network_hides_stands_out_beside_shadows() -> None:
    drawn = networks(1 + FEWEST_SHADOWS, 7)
    drawn[0, 3] += 1.3
    alone = anomaly_index(np.exp(-drawn[0]))
    assert alone.p_value[3] > 0.05
    beside = calibrate(drawn[0], drawn[1:])
    assert np.flatnonzero(beside.family_p_value <= 0.05).tolist() == [3]
    assert beside.deviation[3] > beside.threshold
    assert beside.p_value[3] == pytest.approx(1 / (1 + FEWEST_SHADOWS * CLASSES))
    assert beside.deviation[8] < beside.threshold


def test_an_easy_class_that_its_own_network_accuses_is_cleared() -> None:
    cleared = networks(1 + FEWEST_SHADOWS, 11)
    alone = anomaly_index(np.exp(-cleared[0]))
    assert int(np.nanargmax(alone.index)) == 8
    assert calibrate(cleared[0], cleared[1:]).family_p_value[8] > 0.05


def test_threshold_and_p_values_agree() -> None:
    for count in (19, 39, 45):
        drawn = networks(1 + count, count)
        drawn[0] += np.linspace(0, 2, CLASSES)
        found = calibrate(drawn[0], drawn[1:])
        significant = found.deviation >= found.threshold
        np.testing.assert_array_equal(significant, found.family_p_value <= 0.05)


def test_few_shadows_accuse_nobody_and_none_say_nothing() -> None:
    drawn = networks(6, 3)
    drawn[0, 3] += 9
    few = calibrate(drawn[0], drawn[1:])
    assert few.family_p_value[3] == pytest.approx(1 / 6)
    assert few.threshold == np.inf
    assert not few.conclusive
    none = calibrate(drawn[0], np.empty((0, CLASSES)))
    assert np.isnan(none.family_p_value).all()
    assert none.shadows == 0


def test_classes_without_a_trigger_count_as_large_and_those_not_searched_not_at_all() -> None:
    drawn = networks(1 + FEWEST_SHADOWS, 5)
    drawn[0, 1], drawn[0, 2], drawn[4, 1] = -np.inf, np.nan, -np.inf
    found = calibrate(drawn[0], drawn[1:])
    assert found.deviation[1] < 0
    assert np.isnan([found.deviation[2], found.p_value[2], found.family_p_value[2]]).all()
    assert np.isfinite(np.delete(found.deviation, 2)).all()


def test_several_methods_together_accuse_clean_networks_as_often_as_one() -> None:
    accused = []
    for seed in range(300):
        drawn = networks(1 + FEWEST_SHADOWS, seed)
        noisy = 9 * networks(1 + FEWEST_SHADOWS, 1000 + seed)
        looks = {"one": drawn, "two": drawn + 0.01 * noisy, "three": noisy}
        found = calibrate_all(
            {name: table[0] for name, table in looks.items()},
            {name: table[1:] for name, table in looks.items()},
        )
        lowest = [np.nanmin(one.family_p_value) for one in found.values()]
        accused.append(min(lowest) <= 0.05)
        for one in found.values():
            significant = one.deviation >= one.threshold
            np.testing.assert_array_equal(significant, one.family_p_value <= 0.05)
    assert 0.025 < np.mean(accused) < 0.08


def test_a_backdoor_that_one_of_several_methods_sees_is_found_in_that_one() -> None:
    drawn, other = networks(1 + FEWEST_SHADOWS, 7), networks(1 + FEWEST_SHADOWS, 8)
    drawn[0, 3] += 1.5
    found = calibrate_all(
        {"sees": drawn[0], "does not": other[0]}, {"sees": drawn[1:], "does not": other[1:]}
    )
    assert np.flatnonzero(found["sees"].family_p_value <= 0.05).tolist() == [3]
    assert not (found["does not"].family_p_value <= 0.05).any()


def test_a_method_that_says_the_same_of_every_class_neither_accuses_nor_hides() -> None:
    drawn = networks(1 + FEWEST_SHADOWS, 7)
    drawn[0, 3] += 1.5
    flat = np.zeros_like(drawn)
    found = calibrate_all(
        {"sees": drawn[0], "flat": flat[0]}, {"sees": drawn[1:], "flat": flat[1:]}
    )
    assert np.flatnonzero(found["sees"].family_p_value <= 0.05).tolist() == [3]
    assert (found["flat"].family_p_value == 1).all()


@pytest.mark.parametrize(
    ("p_value", "shadows", "classes", "verdict"),
    [
        (0.05, 18, ["medium"], None),
        (None, 19, ["none"], None),
        (0.10, 19, ["none"], "none"),
        (0.05, 19, ["none", "medium"], "medium"),
        (0.05, 19, ["none", "none"], "low"),
        (0.01, 99, ["none", "high"], "high"),
        (0.01, 99, ["medium", "none"], "medium"),
    ],
)
def test_a_network_is_judged_by_its_p_value_as_far_as_a_trigger_of_it_works(
    p_value: float | None, shadows: int, classes: list[str], verdict: str | None
) -> None:
    rows = [{"verdict": one, "shadows": {}} for one in classes]
    rows.append({"verdict": "high"})  # of a method that was not compared
    assert network_verdict(rows, p_value, shadows) == verdict
