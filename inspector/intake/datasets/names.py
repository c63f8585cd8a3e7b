"""Names out of evidence as safe text: reversible, printable, one line, valid UTF-8.

A file name is bytes. It may hold newlines, escape sequences, bidirectional controls that make
``gpj.exe`` read ``exe.jpg``, or bytes that are no UTF-8 at all. Such bytes are written ``%XX``; a
``%`` that would read as such an escape becomes ``%25``; everything else stays as it is, so that
ordinary paths are not altered.
"""

from __future__ import annotations

import os
import re

_LOOKS_ESCAPED = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def escape_name(name: str) -> str:
    """Return a name as printable text that `unescape_name` turns back.

    Parameters
    ----------
    name : str
        A file name as `os.fsdecode` gives it (undecodable bytes as lone surrogates).

    Returns
    -------
    str
        Printable, valid UTF-8; equal to ``name`` for ordinary names.
    """
    if "%" in name:
        name = _LOOKS_ESCAPED.sub("%25", name)
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else _percent(char) for char in name)


def unescape_name(text: str) -> str:
    """Return the file name (undecodable bytes as lone surrogates) that `escape_name` was given."""
    if "%" not in text:
        return text
    raw = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8"))
    return raw.decode("utf-8", "surrogateescape")


def visible(text: str) -> str:
    """Return text for a reader, with every unprintable character written ``%XX``; no way back.

    For text whose names were escaped already: a ``%`` stays what it is.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _percent(char) for char in text)


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: one printable line."""
    return escape_name(os.fspath(path))


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 image`` or ``12,345 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listing(names: list[str], shown: int = 3) -> str:
    """Return the first few names for a sentence, escaped, and how many more there are."""
    text = ", ".join(escape_name(name) for name in names[:shown])
    return f"{text} and {len(names) - shown:,} more" if len(names) > shown else text


def _percent(char: str) -> str:
    try:
        raw = os.fsencode(char)
    except UnicodeEncodeError:
        # A lone surrogate that no file name can hold, out of an array of text.
        raw = char.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in raw)
