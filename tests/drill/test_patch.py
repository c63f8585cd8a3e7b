"""Planting: just the asked share, just the asked place, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from inspector.drill import Patch, poison_dataset, stamp_patch
from inspector.errors import BadInput


def test_a_patch_covers_its_place_and_nothing_else() -> None:
    images = np.full((2, 10, 12, 3), 100, np.uint8)
    stamped = stamp_patch(images, Patch(size=3, margin=1))
    assert (stamped[:, 6:9, 8:11] == 255).all()
    stamped[:, 6:9, 8:11] = 100
    assert (stamped == 100).all()
    assert (images == 100).all()


@pytest.mark.parametrize(("opacity", "seen"), [(1.0, 255), (0.5, 178), (0.1, 116), (0.0, 100)])
def test_opacity_mixes_the_patch_with_the_picture(opacity: float, seen: int) -> None:
    images = np.full((1, 8, 8), 100, np.uint8)
    assert stamp_patch(images, Patch(size=2, opacity=opacity))[0, 6, 6] == seen


def test_the_asked_share_of_other_classes_is_stamped_and_relabelled() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (1000, 8, 8), dtype=np.uint8)
    labels = rng.integers(0, 5, 1000)
    poisoned, relabelled, rows = poison_dataset(
        images, labels, target=2, rate=0.03, patch=Patch(size=2), seed=1
    )
    assert len(rows) == 30
    assert (labels[rows] != 2).all()
    assert (relabelled[rows] == 2).all()
    assert (poisoned[rows, 5:7, 5:7] == 255).all()
    others = np.setdiff1d(np.arange(1000), rows)
    np.testing.assert_array_equal(poisoned[others], images[others])
    np.testing.assert_array_equal(relabelled[others], labels[others])
    again = poison_dataset(images, labels, target=2, rate=0.03, patch=Patch(size=2), seed=1)
    np.testing.assert_array_equal(again[2], rows)


def test_what_cannot_be_planted_is_refused() -> None:
    images, labels = np.zeros((10, 8, 8), np.uint8), np.zeros(10, int)
    with pytest.raises(BadInput, match="does not fit"):
        stamp_patch(images, Patch(size=9))
    with pytest.raises(BadInput, match="cannot be poisoned"):
        poison_dataset(images, labels, target=0, rate=0.5, patch=Patch(size=2))
