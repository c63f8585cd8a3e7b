"""The power map: planted groups are found where they are far and many, and not where they are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inspector.api import Control
from inspector.detectors import spectral_whitened
from inspector.detectors.canaries import bulk_spread, distance_of, linear_head
from inspector.detectors.limits import power_map
from inspector.errors import BadInput, Cancelled
from inspector.statistics.frontiers import (
    half_power,
    impossible_below,
    outlier_frontier,
    spectral_frontier,
)


def _activations(n=1200, classes=3, width=12):
    random = np.random.default_rng(0)
    labels = (np.arange(n) % classes).astype(np.int32)
    rows = random.standard_normal((n, width)) * np.linspace(3, 1, width) + labels[:, None]
    return {"activations": rows.astype(np.float32)}, labels


def test_far_and_large_groups_are_found_and_near_ones_are_not():
    rows, labels = _activations()
    found = power_map(
        rows, labels, ["a", "b", "c"], 1,
        verified=150, runs=3, shares=(0.1,), distances=(0.5, 9.0),
    )  # fmt: skip
    near, far = found.cells
    assert near.hits <= 1
    assert far.hits == 3
    assert far.found > 0.5
    assert far.interval[0] < 1.0 == far.interval[1]
    assert found.verified == 150
    assert found.members == 400
    one = found.by_share[0]
    assert one["impossible"] < one["d50"] < 9.0
    low, high = one["d50_interval"]
    assert low is None or low < one["d50"]
    assert high is None or one["d50"] < high
    # 0.1 of 250 unverified and 150 verified: ln 0.05 / ln(250 / 400) = 6.4.
    assert found.smallest_group == 7


@pytest.mark.parametrize("own", [{"nonsense": 1}, {"directions": "many"}])
def test_a_value_that_a_detector_cannot_have_is_refused_before_it_fails_unseen(own):
    rows, labels = _activations(600)
    with pytest.raises(BadInput, match="spectral-whitened"):
        power_map(rows, labels, ["a", "b", "c"], 0, runs=1, parameters={"spectral-whitened": own})


def test_a_detector_that_fails_with_its_values_has_not_looked_in_vain(monkeypatch):
    def fail(*given):
        raise ZeroDivisionError("by the value")
        yield

    monkeypatch.setattr(spectral_whitened, "whitened_scores", fail)
    rows, labels = _activations(600)
    asked = {"verified": 60, "runs": 1, "shares": (0.05,), "distances": (6.0,)}
    told = {"spectral-whitened": {"directions": 3}}
    with pytest.raises(BadInput, match="spectral-whitened fails with the values"):
        power_map(rows, labels, ["a", "b", "c"], 0, parameters=told, **asked)
    assert power_map(rows, labels, ["a", "b", "c"], 0, **asked).cells


def test_the_same_seed_measures_the_same():
    rows, labels = _activations(600)
    args = (rows, labels, ["a", "b", "c"], 0)
    settings = {"verified": 60, "runs": 2, "shares": (0.05,), "distances": (6.0,)}
    assert power_map(*args, **settings) == power_map(*args, **settings)
    before = rows["activations"].copy()
    told = {"spectral-whitened": {"directions": 1}}
    other = power_map(*args, **settings, parameters={**told, "strip": {"overlays": 2}})
    assert other.parameters == told
    assert np.array_equal(rows["activations"], before)


def _learned():
    """Return signals as of a network that learned its three classes."""
    signals, labels = _activations()
    rows = signals["activations"] + 4 * np.eye(3, 12, dtype=np.float32)[labels]
    return {"activations": rows, "logits": (rows @ np.eye(12, 3) + 1).astype(np.float32)}, labels


@pytest.mark.parametrize("canary", ["others", "gradients"])
def test_other_stand_ins_for_poison_are_found_where_far_and_not_where_near(canary):
    signals, labels = _learned()
    found = power_map(
        signals, labels, ["a", "b", "c"], 1,
        canary=canary, verified=150, runs=3, shares=(0.1,), distances=(0.5, 12.0),
    )  # fmt: skip
    near, far = found.cells
    assert near.hits <= 1
    assert far.hits == 3
    assert found.canary == canary
    assert "spectral-gradient" in found.detectors


def test_gradients_need_answers_and_there_are_three_stand_ins():
    rows, labels = _activations()
    with pytest.raises(BadInput, match="gradients"):
        power_map(rows, labels, ["a", "b", "c"], 1, canary="gradients")
    with pytest.raises(BadInput, match="features, others, gradients"):
        power_map(rows, labels, ["a", "b", "c"], 1, canary="birds")
    without = power_map(
        rows, labels, ["a", "b", "c"], 1, verified=60, runs=1, shares=(0.1,), distances=(9.0,)
    )
    assert "spectral-gradient" not in without.detectors


def test_answers_follow_a_linear_last_layer_and_no_other():
    signals, _ = _learned()
    rows, answers = signals["activations"], signals["logits"]
    step = np.linalg.lstsq(rows - rows.mean(0), answers - answers.mean(0), rcond=None)[0]
    assert linear_head(rows, answers) == pytest.approx(step, abs=1e-3)
    assert linear_head(rows, np.abs(answers)) is None
    assert linear_head(rows, None) is None


def test_a_distance_is_counted_in_deviations_of_the_bulk():
    bulk = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32) * 3
    away = np.zeros(8, np.float32)
    away[2] = 15
    assert distance_of(bulk[:500] + away, bulk) == pytest.approx(5, rel=0.1)
    assert bulk_spread(bulk).directions == 8


def test_a_small_class_and_a_cancel():
    rows, labels = _activations(150)
    with pytest.raises(BadInput, match="50 samples"):
        power_map(rows, labels, ["a", "b", "c"], 0)

    class Stop(Control):
        def check(self):
            raise Cancelled()

    rows, labels = _activations()
    with pytest.raises(Cancelled):
        power_map(rows, labels, ["a", "b", "c"], 0, control=Stop())


def test_frontiers_are_those_of_the_formulas():
    # Baik, Ben Arous, Péché: ε(1 − ε)δ² = √(k/n).
    distance = spectral_frontier(0.02, 5000, 64)
    assert 0.02 * 0.98 * distance**2 == pytest.approx(math.sqrt(64 / 5000))
    impossible = [impossible_below(share, 5000, 64) for share in (0.002, 0.01, 0.05)]
    assert impossible == sorted(impossible, reverse=True)
    assert impossible[1] == pytest.approx(1.6, abs=0.2)
    assert impossible[1] < spectral_frontier(0.01, 5000, 64)
    assert outlier_frontier(5000, 32) == pytest.approx(6.9, abs=0.3)


def test_the_curve_goes_through_the_hits():
    distances = np.array([2.0, 4.0, 6.0, 8.0])
    runs = np.full(4, 20)
    half = half_power(distances, np.array([0, 3, 17, 20]), runs, 0.5)
    assert 4.2 < half < 5.6
    most = half_power(distances, np.array([0, 3, 17, 20]), runs, 0.8)
    assert half < most < 7
    assert half_power(distances, np.zeros(4, np.int64), runs, 0.5) is None
