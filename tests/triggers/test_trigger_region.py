"""Where a reconstructed trigger lies: a speckle of a patch stands for the patch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from planted_network import CLASSES, CORNER, SIDE, TARGET, PlantedModel, pictures

from inspector.case.trigger_document import region_words
from inspector.triggers import neural_cleanse
from inspector.triggers.region import core, described, overlap


def mask_of(points: list[tuple[int, int]], side: int = 32) -> NDArray[np.float32]:
    mask = np.zeros((side, side), np.float32)
    for point in points:
        mask[point] = 1
    return mask


def test_gaps_between_pixels_that_lie_close_are_part_of_the_region() -> None:
    inside = core(mask_of([(27, 27), (27, 29), (29, 27), (29, 29), (5, 5)]))
    assert inside[27:30, 27:30].all()
    assert inside[5, 5]
    assert inside.sum() == 10


@pytest.mark.parametrize("at", [(0, 0), (31, 31), (12, 0)])
def test_a_pixel_alone_stays_one_at_the_border_too(at: tuple[int, int]) -> None:
    assert np.argwhere(core(mask_of([at]))).tolist() == [list(at)]


def test_haze_is_no_part_of_it() -> None:
    mask = np.full((32, 32), 0.0004, np.float32)  # 0.4 pixels in all
    mask[10:14, 20:24] = 0.9
    assert described(mask) == {"pixels": 16, "rows": [10, 13], "columns": [20, 23]}


def test_in_a_larger_picture_larger_gaps_close() -> None:
    assert core(mask_of([(100, 100), (100, 110)], side=224)).sum() == 11
    assert core(mask_of([(10, 10), (10, 16)])).sum() == 2


def test_a_trigger_over_everything_lies_on_everything_and_an_empty_one_nowhere() -> None:
    assert core(np.full((28, 28), 0.1, np.float32)).all()
    assert described(np.zeros((28, 28), np.float32)) is None
    assert overlap(core(np.zeros((4, 4), np.float32)), np.zeros((4, 4), bool)) == 0.0


def test_a_search_says_where_the_planted_corner_is() -> None:
    images, labels = pictures(200)
    found = neural_cleanse(PlantedModel(), images, labels, [TARGET], steps=100)[0]
    planted = np.zeros((SIDE, SIDE), bool)
    planted[CORNER] = True
    assert overlap(core(found.mask), planted) >= 0.5
    region = found.summary()["region"]
    assert set(range(CORNER[0].start, CORNER[0].stop)) <= set(
        range(region["rows"][0], region["rows"][1] + 1)
    )
    assert region["pixels"] < SIDE * SIDE / CLASSES


def test_words_are_made_of_numbers_alone() -> None:
    region = {"pixels": 1024, "rows": [3, 7], "columns": [0, 31]}
    assert region_words({"region": region}) == "1,024 px in rows 3–7, columns 0–31"
    for wrong in (
        None,
        "<b>",
        {**region, "pixels": "<b>"},
        {**region, "rows": [3]},
        {**region, "columns": ["<b>", 2]},
    ):
        assert region_words({"region": wrong}) == ""
