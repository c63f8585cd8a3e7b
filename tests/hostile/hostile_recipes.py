"""The list of hostile files: each is written by a function and named with what it tries.

A payload never does more than make a marker file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Write = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class Recipe:
    """One hostile file or folder.

    Attributes
    ----------
    name : str
        Unique.
    tries : str
        What it is after, in a few words, for the table.
    kind : str
        "model" or "data": which reader gets it.
    outcome : str
        "refused" (one clear line), "row" (opens; at least one sample is unreadable), "reads"
        (opens; what it tried has no effect).
    says : str
        Words of the message, the reason or the note, as a regular expression; "" for any.
    write : callable
        ``write(folder, marker)`` makes it below the folder and returns what to open.
    runs : str
        How a careless program would run the payload: "pickle", "torch", "torchscript" or "".
    """

    name: str
    tries: str
    kind: str
    outcome: str
    says: str
    write: Write
    runs: str = ""


RECIPES: dict[str, list[Recipe]] = {}
"""Recipes by group; a group is read in one process."""


def hostile(
    group: str, name: str, tries: str, outcome: str = "refused", says: str = "", runs: str = ""
) -> Callable[[Write], Write]:
    """Register a function as a recipe; groups that begin with "model" go to the model reader."""

    def register(write: Write) -> Write:
        kind = "model" if group.startswith("model") else "data"
        known = RECIPES.setdefault(group, [])
        assert all(name != other.name for rows in RECIPES.values() for other in rows), name
        known.append(Recipe(name, tries, kind, outcome, says, write, runs))
        return write

    return register
