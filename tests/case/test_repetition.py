"""What a repetition must give: the same to the bit, or within what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from case_makers import fill, store

from inspector.case import Case
from inspector.case.repetition import Row, compare

SCORES = np.linspace(0, 50, 200).astype(np.float32)


@pytest.fixture
def pair(case: Case, tmp_path: Path) -> Iterator[tuple[Case, Case]]:
    with Case.create(tmp_path / "again.case") as again:
        for one in (case, again):
            fill(one)
            store(one, "wide", np.linspace(-3, 7, 50).astype(np.float32))
            one.record_finding("spectral", {"verdict": "low", "version": "1", "classes": []})
        yield case, again


def row(pair: tuple[Case, Case], name: str, *, same: bool) -> Row:
    rows = compare(*pair, same_environment=same, arrays=[name])
    return next(found for found in rows if found.name == name)


@pytest.mark.parametrize("same", [False, True])
def test_equal_arrays_keep_every_promise(pair: tuple[Case, Case], same: bool) -> None:
    names = list(pair[0].arrays())
    rows = compare(*pair, same_environment=same, arrays=names)
    assert len(rows) == len(names) + 2
    assert all(found.same for found in rows)


def test_one_last_digit_breaks_the_promise_only_on_the_same_machine(
    pair: tuple[Case, Case],
) -> None:
    values = np.array(pair[1].array("wide"))
    values[3] = np.nextafter(values[3], np.float32(np.inf))
    store(pair[1], "wide", values)
    assert not row(pair, "wide", same=True).same
    elsewhere = row(pair, "wide", same=False)
    assert elsewhere.same
    assert elsewhere.promise == "within 0.001 of the largest"
    values[3] += 0.1
    store(pair[1], "wide", values)
    assert not row(pair, "wide", same=False).same


def test_what_comes_from_bytes_is_identical_everywhere(pair: tuple[Case, Case]) -> None:
    labels = np.array(pair[1].array("labels"))
    labels[0] = 2
    store(pair[1], "labels", labels)
    found = row(pair, "labels", same=False)
    assert (found.promise, found.same) == ("identical", False)


def test_scores_elsewhere_are_compared_by_rank(pair: tuple[Case, Case]) -> None:
    store(pair[0], "score:x", np.r_[SCORES[:5], np.nan][:6].astype(np.float32))
    store(pair[1], "score:x", np.r_[SCORES[:5] * 1.02, np.nan][:6].astype(np.float32))
    assert row(pair, "score:x", same=False).same
    assert not row(pair, "score:x", same=True).same
    store(pair[1], "score:x", np.r_[SCORES[:5][::-1], np.nan][:6].astype(np.float32))
    assert not row(pair, "score:x", same=False).same
    store(pair[1], "score:x", np.zeros(6, np.float32))
    assert row(pair, "score:x", same=False).found == "others are missing"


def test_missing_arrays_other_verdicts_and_other_evidence_are_named(
    pair: tuple[Case, Case],
) -> None:
    case, again = pair
    store(case, "only", np.zeros(3, np.float32))
    again.record_finding("spectral", {"verdict": "high", "version": "2", "classes": []})
    case.add_evidence("model", "/model.pt", "ab" * 32, 1)
    again.add_evidence("model", "/model.pt", "cd" * 32, 1)
    rows = compare(case, again, same_environment=False, arrays=["only"])
    assert {found.name: found.found for found in rows if not found.same} == {
        "only": "only the first time",
        "finding spectral": "version, verdict differ",
        "evidence model": "SHA-256 cdcdcdcdcdcdcdcd…",
    }
