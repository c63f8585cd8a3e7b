"""What an analyst gave as the path of a dataset: one path, or a range of shards.

Import-light: the app asks here before anything is started.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from inspector.errors import BadInput

_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST = 100_000


def shards_named(given: str | os.PathLike[str]) -> tuple[Path, list[str], str] | None:
    """Expand a range of shards, as WebDataset writes it: ``shards/train-{000..015}.tar``.

    Parameters
    ----------
    given : path

    Returns
    -------
    tuple of (Path, list of str, str) or None
        The real folder, the names in it, and the range as given; None for an ordinary path.

    Raises
    ------
    BadInput
        The range is empty or too long, or a shard is missing.
    """
    text = os.fspath(given)
    folder, name = os.path.split(text)
    match = _RANGE.search(name)
    if match is None or os.path.lexists(text):
        return None
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MOST:
        raise BadInput(
            f"The range {match[0]} names no shards, or more than {_MOST:,}.",
            "It counts up from the first number to the last.",
            "Correct the range.",
        )
    width = len(match[1])
    names = [
        f"{name[: match.start()]}{number:0{width}d}{name[match.end() :]}"
        for number in range(first, last + 1)
    ]
    root = Path(os.path.realpath(folder or "."))
    missing = [shard for shard in names if not (root / shard).is_file()]
    if missing:
        raise BadInput(
            f"{root / missing[0]} does not exist."
            + (f" {len(missing) - 1:,} more shards are missing." if len(missing) > 1 else ""),
            f"The range {match[0]} names {len(names):,} shards.",
            "Fetch them, or shorten the range.",
        )
    return root, names, name


def is_there(given: str | os.PathLike[str]) -> bool:
    """Tell whether something lies at a path, or at every shard of a range."""
    try:
        return os.path.exists(given) or shards_named(given) is not None
    except BadInput:
        return False
