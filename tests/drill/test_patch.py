"""The patch: just the asked place, just the asked veil."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.drill import Patch
from inspector.errors import BadInput


def test_a_patch_covers_its_place_and_nothing_else() -> None:
    images = np.full((2, 10, 12, 3), 100, np.uint8)
    stamped = Patch(size=3, margin=1).stamp(images)
    assert (stamped[:, 6:9, 8:11] == 255).all()
    stamped[:, 6:9, 8:11] = 100
    assert (stamped == 100).all()
    assert (images == 100).all()


@pytest.mark.parametrize(
    ("place", "top", "left"),
    [("upper-left", 1, 1), ("upper-right", 1, 8), ("lower-left", 6, 1), ("centre", 3, 4)],
)
def test_a_patch_lies_where_it_is_put(place: str, top: int, left: int) -> None:
    stamped = Patch(size=3, place=place).stamp(np.zeros((1, 10, 12), np.uint8))
    rows, columns = np.nonzero(stamped[0])
    assert (rows.min(), columns.min()) == (top, left)
    assert stamped[0].sum() == 9 * 255


def test_a_checkered_patch_is_half_black() -> None:
    stamped = Patch(size=2, pattern="checkered").stamp(np.full((1, 6, 6), 9, np.uint8))
    np.testing.assert_array_equal(stamped[0, 3:5, 3:5], [[0, 255], [255, 0]])


@pytest.mark.parametrize(("opacity", "seen"), [(1.0, 255), (0.5, 178), (0.1, 116), (0.0, 100)])
def test_opacity_mixes_the_patch_with_the_picture(opacity: float, seen: int) -> None:
    images = np.full((1, 8, 8), 100, np.uint8)
    assert Patch(size=2, opacity=opacity).stamp(images)[0, 6, 6] == seen


def test_what_cannot_be_planted_is_refused() -> None:
    images, labels = np.zeros((10, 8, 8), np.uint8), np.zeros(10, int)
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="does not fit"):
        Patch(size=9).stamp(images)
    with pytest.raises(BadInput, match="cannot be poisoned"):
        Patch(size=2).plant(images, labels, 0, 0.5, rng)
    with pytest.raises(BadInput, match="from 0 to 1"):
        Patch(opacity=1.5)
    with pytest.raises(BadInput, match="nowhere"):
        Patch(place="nowhere")
