"""Evidence text: what two names differ in can be seen."""

from __future__ import annotations

import pytest

from inspector.gui.array_table import tooltip
from inspector.gui.plain import plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("ship/0231.png", "ship/0231.png"),
        ("Größe 猫 №5", "Größe 猫 №5"),
        ("invoice\u202egpj.exe", "invoice⟨U+202E⟩gpj.exe"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("two\nlines\tand a bell\a", "two⟨0A⟩lines⟨09⟩and a bell⟨07⟩"),
        ("\udcff.png", "⟨U+DCFF⟩.png"),
        ("<b>bold</b>", "<b>bold</b>"),
        (7, "7"),
    ],
)
def test_invisible_characters_are_written_out(given: object, shown: str) -> None:
    assert plain(given) == shown


def test_long_names_are_cut() -> None:
    assert plain("a" * 1000, 20) == "a" * 19 + "…"
    assert len(plain("\u202e" * 1000, 20)) == 20


def test_a_tooltip_has_lines_but_evidence_cannot_begin_one() -> None:
    shown = tooltip("model: a\nSHA-256 forged", "SHA-256 <b>true</b>", "")
    assert shown == "<p>model: a⟨0A⟩SHA-256 forged<br>SHA-256 &lt;b&gt;true&lt;/b&gt;</p>"
