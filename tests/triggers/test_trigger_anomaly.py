"""The anomaly index accuses one clean network in twenty, not one in three."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.triggers import anomaly_index
from inspector.triggers.anomaly import null_maxima, standing


@pytest.mark.parametrize(("classes", "known"), [(4, 4.74), (10, 2.55), (43, 3.09), (100, 3.52)])
def test_thresholds_are_those_for_the_number_of_classes(classes: int, known: float) -> None:
    sizes = np.exp(np.random.default_rng(0).normal(4, 0.3, classes))
    assert anomaly_index(sizes).threshold == pytest.approx(known, abs=0.12)


def test_two_deviations_would_accuse_one_clean_network_in_seven() -> None:
    assert (null_maxima(10) > 2).mean() == pytest.approx(0.15, abs=0.02)
    assert null_maxima(10) is null_maxima(10)


@pytest.mark.parametrize("classes", [5, 10, 43])
def test_clean_networks_are_accused_as_often_as_promised(classes: int) -> None:
    rng = np.random.default_rng(1)
    networks = np.exp(rng.normal(3, 0.4, (1000, classes)))
    smallest = [np.nanmin(anomaly_index(sizes).p_value) for sizes in networks]
    assert 0.03 < np.mean(np.array(smallest) <= 0.05) < 0.07


def test_three_comparisons_together_accuse_as_often_as_one_would() -> None:
    rng = np.random.default_rng(3)
    accused = 0
    for _ in range(1000):
        found = [standing(rng.normal(0, 1, 10), families=3) for _ in range(3)]
        accused += any((one.index >= one.threshold).any() for one in found)
        assert all(((one.index >= one.threshold) == (one.p_value <= 0.05)).all() for one in found)
    assert 0.03 < accused / 1000 < 0.07


def test_a_small_trigger_stands_out_and_a_large_one_does_not() -> None:
    sizes = np.array([60, 55, 8, 70, 62, 58, 65, 300, 57, 61])
    anomaly = anomaly_index(sizes)
    assert anomaly.index[2] > anomaly.threshold
    assert anomaly.p_value[2] < 0.01
    assert anomaly.index[7] < 0
    assert anomaly.p_value[7] == 1


def test_two_targets_in_eight_hide_each_other_from_nobody() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        looks = rng.normal(0, 1, 8)
        looks[:2] += 12
        found += bool((standing(looks).p_value[:2] <= 0.05).all())
    assert found > 180


def test_index_and_p_value_agree_about_significance() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        anomaly = anomaly_index(np.exp(rng.normal(3, 0.3, 10) - np.eye(10)[0]))
        clear = np.abs(anomaly.index - anomaly.threshold) > 0.01
        significant = anomaly.index > anomaly.threshold
        np.testing.assert_array_equal(significant[clear], anomaly.p_value[clear] < 0.05)


def test_the_scale_of_the_masks_does_not_matter() -> None:
    sizes = np.array([60, 55, 8, 70, 62, 58, 65, 90.0])
    np.testing.assert_allclose(anomaly_index(sizes).index, anomaly_index(49 * sizes).index)


def test_a_class_without_a_trigger_counts_as_large_and_one_not_searched_not_at_all() -> None:
    sizes = np.array([60, 55, 8, 70, 62, 58, 65])
    with_none = anomaly_index([*sizes, np.inf])
    assert with_none.index[2] > with_none.threshold
    assert with_none.p_value[-1] == 1
    left_out = anomaly_index([*sizes, np.nan])
    np.testing.assert_allclose(left_out.index[:-1], anomaly_index(sizes).index)
    assert np.isnan(left_out.index[-1])
    assert np.isnan(left_out.p_value[-1])


@pytest.mark.parametrize("sizes", [[], [5.0], [5.0, 60.0], [np.nan, 5.0, 60.0]])
def test_too_few_classes_are_not_compared(sizes: list[float]) -> None:
    anomaly = anomaly_index(sizes)
    assert np.isnan(anomaly.index).all()
    assert np.isnan(anomaly.p_value).all()
    assert anomaly.threshold == np.inf


def test_nothing_is_said_when_most_classes_have_no_trigger() -> None:
    anomaly = anomaly_index([5.0, np.inf, np.inf, np.inf])
    assert np.isnan(anomaly.p_value).all()
