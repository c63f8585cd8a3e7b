"""Quick looks at paths that an analyst typed: what is there, and whether a case may go there."""

from __future__ import annotations

import os
from pathlib import Path

from inspector.gui.plain import plain

DATABASE = "case.db"
"""A folder with this file in it is a case."""


def problem_of_case(case: Path | None, data: Path) -> str:
    """Return why a folder cannot hold the case, in one line; empty when it can."""
    if case is None:
        return "Choose a folder for the case."
    place = Path(os.path.realpath(case))
    source = Path(os.path.realpath(data))
    if source.is_dir() and place.is_relative_to(source):
        return "The case folder lies inside the dataset; evidence is never written to."
    if (case / DATABASE).is_file():
        return ""
    try:
        if case.exists() and (not case.is_dir() or any(case.iterdir())):
            return f"{plain(case)} is there and is no case; choose a new name."
    except OSError as error:
        return f"{plain(case)} cannot be looked at: {error.strerror}."
    above = case.parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not os.access(above, os.W_OK):
        return f"You may not write into {plain(above)}."
    return ""


def described(path: Path | None) -> str:
    """Return name and size of a file, or that it is a folder; nothing for what is not there."""
    if path is None:
        return ""
    try:
        if path.is_dir():
            return f"folder {plain(path.name, 60)}"
        size = path.stat().st_size
    except OSError:
        return ""
    return f"{plain(path.name, 60)} ({size_text(size)})"


def size_text(size: int) -> str:
    """Return a number of bytes as people say it."""
    value, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{size:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
