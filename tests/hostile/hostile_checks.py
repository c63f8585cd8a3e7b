"""What must hold of every hostile file, whatever it tries."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hostile_recipes import RECIPES, Recipe
from hostile_table import PROPERTY

LARGEST = 1000.0
"""MiB that a reader may take for a hostile file; the largest cell expands to 128 MiB."""

LONGEST_MESSAGE = 1500


def recipes_of(*groups: str) -> list[Any]:
    """Return the recipes of some groups as parameters of a test."""
    return [
        pytest.param(group, recipe, id=recipe.name) for group in groups for recipe in RECIPES[group]
    ]


def plain(text: str) -> bool:
    """Whether text can be shown: no control or formatting characters, no line breaks."""
    return not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)


def check(recipe: Recipe, answer: dict[str, Any]) -> None:
    """Assert that a hostile file had no effect, and that it was spoken of in our words."""
    assert not answer["ran"], "the payload ran"
    assert not answer["changed"], answer["changed"]
    assert not answer["stray"], answer["stray"]
    assert answer["outcome"] in ("refused", "row", "reads"), answer
    assert answer["outcome"] == recipe.outcome, answer
    said = answer["says"]
    assert plain(said), repr(said)
    if answer["outcome"] == "refused":
        assert answer["error"] in ("BadInput", "RefusedFile")  # of the same kind, kept in the case
        assert 20 < len(said) < LONGEST_MESSAGE, said
        assert "weights_only" not in said
        assert "Traceback" not in said
    if answer["outcome"] == "row":
        assert "unreadable: " in said
    assert re.search(recipe.says, said, re.IGNORECASE), said
    assert all(plain(text) for text in answer.get("texts", ()))
    assert answer["mebibytes"] < LARGEST, answer


def record(property_recorder: Any, group: str, recipe: Recipe, answer: dict[str, Any]) -> None:
    """Keep what happened for the table at the end of the run."""
    row = {key: answer[key] for key in ("outcome", "seconds", "mebibytes")}
    property_recorder(PROPERTY, {"group": group, "name": recipe.name, "tries": recipe.tries, **row})
