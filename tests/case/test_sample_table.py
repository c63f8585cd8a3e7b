"""The columns of a case and their order."""

from __future__ import annotations

import numpy as np
import pytest
from case_makers import describe, fill, store
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.case import Case, SampleTable
from inspector.case.order import ascending
from inspector.errors import BadInput


def test_columns_come_in_a_fixed_order(scanned: Case) -> None:
    table = SampleTable(scanned)
    assert table.n == 6
    assert list(table.columns) == [
        "index",
        "label",
        "predicted",
        "loss",
        "confidence",
        "spectral",
        "spectral-whitened",
        "combined",
        "p_value",
    ]
    assert table.detectors == ["spectral", "spectral-whitened"]
    assert table.assessed.tolist() == [True] * 4 + [False, True]
    assert {len(values) for values in table.columns.values()} == {6}


def test_a_new_case_has_an_empty_table(case: Case) -> None:
    table = SampleTable(case)
    assert (table.n, list(table.columns), table.assessed.tolist()) == (0, ["index"], [])
    assert table.rank("index").tolist() == []


def test_most_suspicious_first_nan_last_ties_by_index(scanned: Case) -> None:
    table = SampleTable(scanned)
    assert table.rank().tolist() == [1, 3, 5, 2, 0, 4]
    assert table.rank("spectral").tolist() == [1, 3, 0, 2, 4, 5]
    assert table.rank("spectral_whitened").tolist() == [1, 3, 5, 2, 0, 4]
    assert table.rank("p_value").tolist() == [1, 3, 5, 2, 0, 4]
    assert table.rank("index").tolist() == [0, 1, 2, 3, 4, 5]
    assert table.rank("label").tolist() == [4, 5, 2, 3, 0, 1]
    assert table.rank(rows=[5, 3, 0]).tolist() == [3, 5, 0]
    assert table.rank(rows=np.arange(6) < 3).tolist() == [1, 2, 0]
    assert table.rank(rows=[]).tolist() == []
    with pytest.raises(BadInput, match="Known columns: index, label"):
        table.rank("nothing")


def test_refresh_takes_up_what_is_new(case: Case) -> None:
    describe(case, 3)
    store(case, "labels", np.array([0, 1, 2], np.int32))
    table = SampleTable(case)
    assert not table.assessed.any()
    assert table.refresh() == set()
    store(case, "combined", np.array([1, np.nan, 2], np.float32))
    assert table.refresh() == {"combined"}
    assert table.assessed.tolist() == [True, False, True]
    label = table.columns["label"]
    store(case, "assessed", np.array([True, True, False]))
    store(case, "combined", np.array([1, 3, 2], np.float32))
    assert table.refresh() == {"combined", "assessed"}
    assert table.columns["label"] is label
    assert table.assessed.tolist() == [True, True, False]
    assert table.columns["combined"].tolist() == [1, 3, 2]


def test_columns_are_copies_that_outlive_their_file(scanned: Case) -> None:
    table = SampleTable(scanned)
    (scanned.derived / "test" / "combined.npy").write_bytes(b"")
    assert table.columns["combined"][1] == np.float32(0.99)


def test_a_lost_file_is_a_missing_column_not_a_crash(scanned: Case) -> None:
    (scanned.derived / "test" / "loss.npy").unlink()
    table = SampleTable(scanned)
    assert "loss" not in table.columns
    assert "No such file" in table.missing["loss"]
    with pytest.raises(BadInput, match="No such file"):
        table.rank("loss")


def test_a_detector_cannot_take_the_place_of_a_column(case: Case) -> None:
    fill(case)
    store(case, "score:label", np.full(6, 9, np.float32))
    table = SampleTable(case)
    assert table.columns["label"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table.detectors == ["spectral", "spectral-whitened"]


@given(
    st.lists(st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, float("inf")]), max_size=40),
    st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_order_is_that_of_a_stable_sort(numbers: list[float], dtype: type) -> None:
    values = np.array(numbers, dtype)
    assert ascending(values).tolist() == np.argsort(values, kind="stable").tolist()


def test_negative_nan_comes_last_too() -> None:
    values = np.array([0xFFC00000, 0x3F800000, 0x7FC00000, 0xFF800000], np.uint32).view(np.float32)
    assert ascending(values).tolist() == [3, 1, 0, 2]


def test_scores_from_before_a_detector_failed_are_not_its_scores_any_more(scanned: Case) -> None:
    assert "spectral" in SampleTable(scanned).detectors
    scanned.record_finding("spectral", {"status": "failed", "parameters": {"rank": 9}})
    table = SampleTable(scanned)
    assert "spectral" not in table.detectors
    assert "spectral" not in table.columns
