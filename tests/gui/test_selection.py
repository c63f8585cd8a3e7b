"""The selection: set modes, the anchor, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.gui.selection import Selection


def rows(selection: Selection) -> list[int]:
    return selection.rows.tolist()


@pytest.fixture
def some() -> Selection:
    return Selection.empty(10).combined([2, 3, 4])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("new", [4, 5]), ("add", [2, 3, 4, 5]), ("remove", [2, 3]), ("intersect", [4])],
)
def test_modes(some: Selection, mode: str, expected: list[int]) -> None:
    assert rows(some.combined([4, 5], mode)) == expected  # type: ignore[arg-type]
    mask = np.zeros(10, bool)
    mask[[4, 5]] = True
    assert rows(some.combined(mask, mode)) == expected  # type: ignore[arg-type]


def test_anchor_stays_while_it_is_selected(some: Selection) -> None:
    moved = some.combined([3], "add", anchor=3)
    assert moved.anchor == 3
    assert moved.combined([9], "add").anchor == 3
    assert moved.combined([3], "remove").anchor == 2
    assert moved.combined([2, 3, 4], "remove").anchor == -1


def test_invert_stays_within_the_filter(some: Selection) -> None:
    visible = np.arange(10) < 6
    assert rows(some.inverted(visible)) == [0, 1, 5]
    assert rows(some.inverted()) == [0, 1, 5, 6, 7, 8, 9]


def test_a_gesture_cannot_change_the_callers_mask_or_the_selection(some: Selection) -> None:
    mask = np.zeros(10, bool)
    taken = some.combined(mask)
    mask[0] = True
    assert taken.count == 0
    with pytest.raises(ValueError, match="read-only"):
        taken.mask[0] = True


def test_rows_that_do_not_exist_are_refused(some: Selection) -> None:
    with pytest.raises(IndexError):
        some.combined([10])
    with pytest.raises(IndexError):
        some.combined([-1])
    with pytest.raises(ValueError, match="10 samples"):
        some.combined(np.ones(9, bool))
    assert some.combined([]).count == 0
