"""Every hostile dataset is refused in one clear line, is one bad row, or is read without effect."""

from __future__ import annotations

from typing import Any

import hostile_arrays
import hostile_folders
import hostile_images
import pytest
from hostile_checks import check, recipes_of, record
from hostile_recipes import RECIPES, Recipe

GROUPS = (hostile_images.GROUP, hostile_folders.GROUP, *hostile_arrays.GROUPS)


@pytest.mark.parametrize(("group", "recipe"), recipes_of(*GROUPS))
def test_data(readings: Any, record_property: Any, group: str, recipe: Recipe) -> None:
    answer = readings.of(group, recipe)
    record(record_property, group, recipe, answer)
    check(recipe, answer)


def test_there_are_enough_of_them() -> None:
    assert sum(len(rows) for rows in RECIPES.values()) >= 80
