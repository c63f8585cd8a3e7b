"""Which part of a dataset is scanned: the training split, or the one that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inspector.errors import BadInput
from inspector.intake.datasets.names import escape_name, listing

SPLITS = ("train", "training", "trn", "val", "valid", "validation", "dev", "test", "testing")
"""Names of splits, in the order in which one is chosen when nobody says which."""

_SAME = ({"train", "training", "trn"}, {"val", "valid", "validation", "dev"}, {"test", "testing"})
_PARTS = re.compile(r"[A-Za-z]+")


def choose_split(available: Iterable[str], wanted: str | None, where: str) -> str:
    """Return the split to scan.

    Parameters
    ----------
    available : iterable of str
        Names as the evidence spells them.
    wanted : str, optional
        What the analyst asked for; ``val`` also finds ``validation``, and so on.
    where : str
        The dataset, for the message.

    Raises
    ------
    BadInput
        There is no such split.
    """
    names = sorted(set(available))
    if wanted is None:
        return min(names, key=lambda name: (_order(name), name), default="")
    for name in names:
        if name == wanted:
            return name
    asked = wanted.lower()
    same = next((group for group in _SAME if asked in group), {asked})
    for name in names:
        if name.lower() in same:
            return name
    raise BadInput(
        f"{where} has no split {escape_name(wanted)!r}.",
        f"Its splits are {listing(names, 8)}." if any(names) else "It is not divided into splits.",
        "Give one of them, or none to scan the training split.",
    )


def is_split_name(name: str) -> bool:
    """Tell whether a folder or file is named like a split."""
    return name.lower() in SPLITS


def split_in(name: str) -> str:
    """Return the split that a shard's name speaks of (``train-00000-of-00004``), or nothing."""
    words = [word.lower() for word in _PARTS.findall(name)]
    return next((word for word in words if word in SPLITS), "")


def split_note(chosen: str, available: Iterable[str]) -> list[str]:
    """Return the sentence that says which split is scanned, where there are several."""
    others = sorted(set(available) - {chosen})
    if not others:
        return []
    named = f"The split '{escape_name(chosen)}' is scanned"
    return [f"{named}; {listing([name or 'unnamed' for name in others], 6)} not."]


def _order(name: str) -> int:
    return SPLITS.index(name.lower()) if name.lower() in SPLITS else len(SPLITS)
