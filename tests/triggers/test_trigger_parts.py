"""The pieces of a search, one by one, against what is known about them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.adam import adam

from inspector.triggers import (
    NEVER_CLEAN,
    Settings,
    TriggerResult,
    sample_rows,
    trigger_document,
    wilson_interval,
)
from inspector.triggers.descent import Adam
from inspector.triggers.penalty import Penalty
from inspector.triggers.workload import multiplications, plan_workload

WORKS, FAILS = 1.0, 0.5


def result(index: int, size: float, interval: tuple[float, float] = (0.95, 0.99)) -> TriggerResult:
    return TriggerResult(
        class_index=index,
        method="neural-cleanse",
        status="done",
        mask=np.zeros((4, 4), np.float32),
        pattern=np.zeros((4, 4, 1), np.uint8),
        reached=True,
        mask_l1=size,
        success_rate=0.98,
        success_interval=interval,
        held_out=300,
    )


SIZES = [60, 55, 8, 70, 62, 58, 65, 90, 57, 61]
NAMES = [f"class {index}" for index in range(10)]


# ---- the document --------------------------------------------------------------------------------


def test_the_document_names_the_class_and_stops_at_medium() -> None:
    document = trigger_document([result(i, size) for i, size in enumerate(SIZES)], NAMES)
    json.dumps(document, allow_nan=False)
    assert [row["name"] for row in document["classes"] if row["significant"]] == ["class 2"]
    assert document["verdict"] == "medium"
    assert NEVER_CLEAN in document["caveats"]


def test_a_trigger_just_beyond_the_threshold_is_low() -> None:
    sizes = [*SIZES[:2], 38, *SIZES[3:]]
    document = trigger_document([result(i, size) for i, size in enumerate(sizes)], NAMES)
    assert 0.01 < document["classes"][2]["p_value"] < 0.05
    assert document["verdict"] == "low"


def test_a_small_mask_that_does_not_work_elsewhere_is_no_trigger() -> None:
    results = [result(i, size) for i, size in enumerate(SIZES)]
    results[2] = result(2, 8, interval=(0.4, 0.5))
    document = trigger_document(results, NAMES)
    assert document["classes"][2]["p_value"] < 0.01
    assert not document["classes"][2]["significant"]
    assert document["verdict"] == "none"


def test_nothing_found_is_never_called_clean() -> None:
    document = trigger_document([result(i, 60 + i) for i in range(10)], NAMES)
    assert document["verdict"] == "none"
    assert "never means that the model is clean" in document["caveats"][0]


def test_one_class_alone_has_no_anomaly() -> None:
    document = trigger_document([result(4, 8)], {4: "cat"})
    (row,) = document["classes"]
    assert (row["index"], row["name"], row["p_value"], row["anomaly"]) == (4, "cat", None, None)
    assert not row["significant"]
    assert any("compares classes" in caveat for caveat in document["caveats"])


# ---- interval, penalty, descent ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (95, 100, 0.8882, 0.9785),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 2, 0.0945, 0.9055),
    ],
)
def test_wilson_intervals_are_those_of_the_tables(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=2e-4)


def test_no_trials_give_no_interval() -> None:
    assert np.isnan(wilson_interval(0, 0)).all()


def test_the_weight_waits_for_success_then_grows_and_gives_way() -> None:
    penalty = Penalty(Settings(patience=2, increase=1.5, first_weight=1e-3))
    penalty.update(FAILS, 100)
    penalty.update(FAILS, 100)
    assert penalty.weight == 0
    penalty.update(WORKS, 100)
    assert penalty.weight == 0
    penalty.update(WORKS, 100)
    assert penalty.weight == 1e-3
    penalty.update(WORKS, 90)
    penalty.update(WORKS, 80)
    assert penalty.weight == pytest.approx(1.5e-3)
    penalty.update(FAILS, 70)
    penalty.update(FAILS, 60)
    assert penalty.weight == pytest.approx(1.5e-3 / 1.5**1.5)
    assert penalty.best_l1 == 80


def test_the_smallest_working_mask_is_the_best() -> None:
    penalty = Penalty(Settings())
    assert penalty.update(WORKS, 100)
    assert not penalty.update(FAILS, 10)
    assert not penalty.update(WORKS, 101)
    assert penalty.update(0.99, 99)


def test_a_search_ends_once_it_stops_gaining_but_not_before_both_ways_were_tried() -> None:
    penalty = Penalty(Settings(patience=1, stop_patience=3))
    for _ in range(10):
        penalty.update(WORKS, 50)
    assert not penalty.finished
    penalty.update(FAILS, 40)
    assert penalty.finished


def test_descent_goes_where_torchs_adam_goes() -> None:
    slopes = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.zeros(5), torch.zeros(5)
    mean, square, count = torch.zeros(5), torch.zeros(5), torch.tensor(0.0)
    descent = Adam(ours, 0.1)
    for slope in slopes:
        descent.step(slope)
        # The function behind the class: the class itself would import the compiler first.
        adam(
            [theirs],
            [slope],
            [mean],
            [square],
            [],
            [count],
            foreach=False,
            fused=False,
            amsgrad=False,
            beta1=0.5,
            beta2=0.9,
            lr=0.1,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# ---- portions and pictures -----------------------------------------------------------------------


def test_multiplications_are_counted() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5)
    )
    assert multiplications(network, torch.zeros(1, 1, 4, 4)) == 16 * 9 * 2 + 32 * 5


def test_small_networks_search_side_by_side_and_large_ones_alone() -> None:
    small = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
    plan = plan_workload(small, torch.zeros(1, 1, 28, 28), batch=24)
    assert plan.classes_together >= 10
    assert plan.pictures_at_once >= 24
    large = nn.Sequential(nn.Conv2d(3, 512, 3), nn.Conv2d(512, 512, 3), nn.Flatten())
    plan = plan_workload(large, torch.zeros(1, 3, 64, 64), batch=24)
    assert (plan.pictures_at_once, plan.classes_together) == (1, 1)


def test_drawn_rows_are_even_over_the_labels_as_far_as_there_are_any() -> None:
    labels = np.repeat([0, 1, 2, 3], [1000, 5, 400, 300])
    rows = sample_rows(labels, 200, seed=0)
    assert len(rows) == len(set(rows.tolist())) == 200
    assert (np.diff(rows) > 0).all()
    assert np.bincount(labels[rows]).tolist() == [65, 5, 65, 65]
    np.testing.assert_array_equal(rows, sample_rows(labels, 200, seed=0))
    assert (rows != sample_rows(labels, 200, seed=1)).any()


def test_rows_that_cannot_be_read_are_not_drawn() -> None:
    labels = np.arange(100) % 3
    assessed = np.arange(100) >= 50
    rows = sample_rows(labels, 1000, assessed=assessed)
    np.testing.assert_array_equal(rows, np.arange(50, 100))
