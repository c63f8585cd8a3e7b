"""Every hostile model file is refused in one clear line, or its weights are read without effect."""

from __future__ import annotations

from typing import Any

import hostile_archives
import hostile_pickles
import pytest
from hostile_checks import check, recipes_of, record
from hostile_recipes import Recipe

GROUPS = ("model pickles", "model tensors", hostile_archives.GROUP, "model safetensors")
assert hostile_pickles.GROUP in GROUPS


@pytest.mark.parametrize(("group", "recipe"), recipes_of(*GROUPS))
def test_model(readings: Any, record_property: Any, group: str, recipe: Recipe) -> None:
    answer = readings.of(group, recipe)
    record(record_property, group, recipe, answer)
    check(recipe, answer)
