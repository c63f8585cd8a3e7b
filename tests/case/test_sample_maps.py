"""Maps of single samples, also in a case that somebody else made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from inspector.case import Case
from inspector.case.sample_maps import sample_maps
from inspector.errors import CaseError


def _put(case: Case, name: str, values: np.ndarray) -> None:
    path = case.derive("maps") / f"{name.replace(':', '-')}.npy"
    np.save(path, values)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    relative = path.relative_to(case.derived).as_posix()
    case.set_array(name, relative, values.dtype.str, values.shape, digest)


def _case(
    folder: Path, rows: list[int], maps: np.ndarray, status: str = "done", shows: object = "why"
) -> Case:
    case = Case.create(folder / "maps.case")
    case.set("dataset", {"n": 10, "class_names": ["a"], "digest": "0" * 64})
    _put(case, "sample_map_rows:mine", np.asarray(rows, np.int32))
    _put(case, "sample_maps:mine", maps)
    finding = {"title": "Mine", "status": status, "pictures": shows, "verdict": "none"}
    case.record_finding("mine", finding)
    return case


def test_each_sample_gets_its_own_map(tmp_path: Path) -> None:
    maps = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    with _case(tmp_path, [2, 7], maps) as case:
        (found,) = sample_maps(case)
        assert (found.detector, found.title, found.shows) == ("mine", "Mine", "why")
        np.testing.assert_array_equal(found.of(7), maps[1])
        assert [found.of(row) for row in (0, 3, 9)] == [None] * 3


@pytest.mark.parametrize(
    ("rows", "shape", "status", "shows"),
    [
        ([7, 2], (2, 3, 4), "done", "why"),  # not in order: a search would find the wrong one
        ([2, 2], (2, 3, 4), "done", "why"),
        ([2, 10], (2, 3, 4), "done", "why"),  # no such sample
        ([-1, 2], (2, 3, 4), "done", "why"),
        ([2], (2, 3, 4), "done", "why"),
        ([2, 7], (2, 3, 65), "done", "why"),
        ([], (0, 3, 4), "done", "why"),
        ([2, 7], (2, 0, 4), "done", "why"),
        ([2, 7], (2, 3, 4), "failed", "why"),  # of a run before the one that failed
        ([2, 7], (2, 3, 4), "done", 5),
        ([2, 7], (2, 3, 4), "done", None),
    ],
)
def test_maps_that_do_not_fit_are_left_out(
    tmp_path: Path, rows: list[int], shape: tuple[int, ...], status: str, shows: object
) -> None:
    with _case(tmp_path, rows, np.zeros(shape, np.uint8), status, shows) as case:
        assert sample_maps(case) == []


def test_other_types_are_not_even_registered(tmp_path: Path) -> None:
    with _case(tmp_path, [2], np.zeros((1, 3, 4), np.uint8)) as case:
        with pytest.raises(CaseError, match="should be uint8"):
            _put(case, "sample_maps:other", np.zeros((1, 3, 4), np.float32))
        with pytest.raises(CaseError, match="should be int32"):
            _put(case, "sample_map_rows:other", np.zeros(1, np.int64))
