"""The kinds of tags: poison, suspect, mislabelled, clean, and the analyst's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.errors import BadInput


@dataclass(frozen=True)
class TagKind:
    """One kind of tag.

    Attributes
    ----------
    name : str
    key : str
        The digit that puts it on the selection, "1" to "9"; empty for none.
    colour : str
        "#rrggbb".
    id : int
        Its number in the case; it never changes.
    """

    name: str
    key: str
    colour: str
    id: int


DEFAULTS = (
    TagKind("poison", "1", "#e5484d", 1),
    TagKind("suspect", "2", "#f2b33d", 2),
    TagKind("mislabelled", "3", "#a779e9", 3),
    TagKind("clean", "4", "#3fb27f", 4),
)
_SPARE_COLOURS = ("#4c9be8", "#e879b8", "#5ccfe6", "#b8bb26", "#d98c5f")


def find_kind(kinds: Sequence[TagKind], name: str) -> TagKind:
    """Return a kind by name.

    Raises
    ------
    BadInput
        There is none; the message names the nearest.
    """
    for kind in kinds:
        if kind.name == name:
            return kind
    names = [kind.name for kind in kinds]
    near = difflib.get_close_matches(str(name), names, 1)
    raise BadInput(
        f"There is no tag {str(name)[:60]!r}.",
        f"Did you mean {near[0]!r}?" if near else "",
        f"Tags of this case: {', '.join(names)}.",
    )


def new_kind(
    kinds: Sequence[TagKind], name: str, key: str | None = None, colour: str | None = None
) -> TagKind:
    """Return a further kind, with the next free key and a colour of its own unless given.

    Raises
    ------
    BadInput
        Name or key is taken or cannot be one.
    """
    name = name.strip()
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise BadInput(
            f"{name[:60]!r} cannot be the name of a tag.", "", "Use 1 to 40 printable characters."
        )
    if any(kind.name == name for kind in kinds):
        raise BadInput(f"There is a tag {name!r} already.", "", "Choose another name.")
    taken = {kind.key for kind in kinds}
    if key is None:
        key = next((digit for digit in "123456789" if digit not in taken), "")
    elif key and (not re.fullmatch("[1-9]", key) or key in taken):
        raise BadInput(
            f"The key {key[:20]!r} cannot be used for the tag {name!r}.",
            "It is taken." if key in taken else "",
            "Choose a free digit from 1 to 9.",
        )
    number = max((kind.id for kind in kinds), default=0) + 1
    colour = colour or _SPARE_COLOURS[number % len(_SPARE_COLOURS)]
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise BadInput(f"{colour[:20]!r} is not a colour.", "", "Write it as #rrggbb.")
    return TagKind(name, key, colour.lower(), number)
