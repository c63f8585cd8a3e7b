"""The light look: chosen for the next start, readable, and the dark one stays as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PySide6.QtGui import QColor

from inspector import places
from inspector.gui import looks, theme


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [part / 255 for part in QColor(colour).getRgb()[:3]]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", ["dark", "light"])
def test_words_and_verdicts_can_be_read(look: str) -> None:
    ground = looks.shade("#16191e", look)
    for colour in ("#dde2ea", "#98a1b0", "#6fae75", "#f2a541", "#ef5b5b", "#7c8696"):
        assert contrast(looks.shade(colour, look), ground) >= 4.0, colour
    assert contrast(looks.shade("#ffb4b4", look), looks.shade("#3a2023", look)) >= 4.5


def test_a_style_sheet_is_turned_once() -> None:
    once = looks.shade(theme.STYLE, "light")
    assert once == looks.shade(once, "light")
    assert looks.shade(theme.STYLE, "dark") == theme.STYLE
    assert "#16191e" not in once


def test_the_choice_holds_from_the_next_start() -> None:
    said: list[tuple[str, str]] = []
    looks.switch(lambda kind, text: said.append((kind, text)))
    assert said == [("done", "Inspector will be light when it is started next.")]
    assert theme.SURFACE == "#16191e"  # Not in this session.
    line = "from inspector.gui import theme; print(theme.SURFACE, theme.SELECTED)"
    started = subprocess.run(
        [sys.executable, "-c", line],
        capture_output=True,
        text=True,
        check=True,
        env={"INSPECTOR_STATE": str(places.user_state()), "QT_QPA_PLATFORM": "offscreen"},
    )
    assert started.stdout.split() == ["#ffffff", "#10151c"]
    looks.switch(lambda kind, text: said.append((kind, text)))
    assert looks.chosen() == "dark"
