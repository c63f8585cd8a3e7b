"""Evidence text made safe to show: one visible line, no markup, no tricks with direction."""

from __future__ import annotations

import unicodedata

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Controls, bidi and zero-width marks, lone surrogates, private and unassigned, line breaks."""


def plain(text: object, limit: int = 500) -> str:
    """Return evidence text with every invisible or direction-changing character written out.

    A file name may hold a right-to-left override, a line break, a bell or a lone surrogate; each
    is shown as its code point, so that two names that differ also look different (Unicode
    technical report 36, section 2.10).
    Widgets that show it must still be told that it is plain text: this does not escape ``<``.

    Parameters
    ----------
    text : object
        What to show; anything but a string goes through `str`.
    limit : int
        Longest result in characters; the rest is cut and replaced by an ellipsis.
    """
    raw = text if isinstance(text, str) else str(text)
    if raw.isascii() and raw.isprintable():
        shown = raw
    else:
        shown = "".join(_visible(char) for char in raw[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _UNSAFE:
        return char
    return f"⟨{ord(char):02X}⟩" if ord(char) < 0x20 else f"⟨U+{ord(char):04X}⟩"
