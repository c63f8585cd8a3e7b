"""The two looks: colours are written down as the dark one has them, and turned here for the light one.

Which one it is stands in ``look`` in Inspector's state folder and is read once, at the start: half
of the window's colours are baked into pictures and pens by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from inspector import places

LIGHT: dict[str, str] = {
    "#1a1d23": "#eef0f3",  # under docks
    "#16191e": "#ffffff",  # where data is drawn
    "#2a2f38": "#e1e5ea",  # buttons
    "#343a45": "#c3c9d2",  # lines
    "#dde2ea": "#1d232c",  # text
    "#98a1b0": "#566070",  # text of second rank
    "#4c8dd6": "#2b6cb8",  # accent
    "#6fb0ff": "#1f63c4",  # focus
    "#f2c94c": "#a87c00",  # proposed
    "#3a404b": "#cdd2d9",  # hidden by the filter
    "#7c8696": "#6b7482",  # verdicts: none, low, medium, high
    "#6fae75": "#2f7d3b",
    "#f2a541": "#b36b00",
    "#ef5b5b": "#c62828",
    "#58a866": "#2f7d3b",
    "#5b6472": "#a9b1bc",
    "#1d2128": "#f5f6f8",
    "#1b1f26": "#f5f6f8",
    "#303744": "#ffffff",
    "#7d8797": "#7c8593",
    "#3b424e": "#bfc5ce",
    "#303641": "#d5d9df",
    "#101216": "#9aa2ae",
    "#0b0c0f": "#7c8593",
    "#69727f": "#9aa2ae",
    "#22262e": "#ffffff",
    "#22272f": "#ffffff",
    "#14181e": "#ffffff",
    "#0a0c0f": "#e9ecf0",
    "#465062": "#aab2bd",
    "#2b4a70": "#cfe0f5",
    "#24466f": "#cfe0f5",
    "#343b47": "#d6dbe2",
    "#20242b": "#eceef1",
    "#566074": "#8a93a0",
    "#232830": "#e4e7eb",
    "#222730": "#edf1f6",
    "#525b6b": "#98a1ad",
    "#3a75bd": "#8bb6e8",
    "#252a33": "#e3e9f1",
    "#1f232a": "#ffffff",
    "#5f6977": "#7c8593",
    "#4a515e": "#b9c0ca",
    "#59626f": "#aab2bd",
    "#5d7186": "#8fa3b8",
    "#ffb347": "#d97a00",
    "#242a34": "#e8edf3",
    "#3a2023": "#fde8e8",
    "#ffb4b4": "#8c1d1d",
}
"""Colour of the light look for a colour of the dark one; what is not named serves both."""

_COLOUR = re.compile("#[0-9a-f]{6}")


def chosen() -> str:
    """Return "light" or "dark", as it was chosen for the next start."""
    try:
        said = (places.user_state() / "look").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return "dark"
    return "light" if said == "light" else "dark"


CURRENT = chosen()
"""The look of this session."""


def shade(text: str, look: str = CURRENT) -> str:
    """Return a colour, or a style sheet with colours in it, as a look has it."""
    if look != "light":
        return text
    return _COLOUR.sub(lambda found: LIGHT.get(found[0], found[0]), text)


def switch(say: Callable[[str, str], object]) -> None:
    """Choose the other look for the next start, and say so."""
    other = "dark" if chosen() == "light" else "light"
    folder = places.user_state()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "look").write_text(f"{other}\n", encoding="utf-8")
    except OSError as error:
        say("warning", f"The choice cannot be kept: {error.strerror}. The look stays as it is.")
        return
    say("done", f"Inspector will be {other} when it is started next.")
