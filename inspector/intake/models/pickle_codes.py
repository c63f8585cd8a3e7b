"""The instructions of a pickle, decoded and nothing else: what each one says, and where it stands.

Python's own reader allocates what a length field claims before it looks whether so many bytes
follow; here every argument is a slice of bytes that are there already.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

Instruction = tuple[str, Any, int]
"""Name of the instruction, its argument (None without one), offset of its first byte."""

LARGE = 4096
"""Bytes from which binary arguments are handed out as views of the content, not as copies."""

_MAX_DIGITS = 300  # a long in text; converting more digits takes time that grows with their square


class PickleError(Exception):
    """The bytes are no pickle that can be followed."""


def instructions(content: bytes | memoryview, start: int = 0) -> Iterator[Instruction]:
    """Yield the instructions of one pickle up to and with STOP.

    Parameters
    ----------
    content : bytes
        What holds the pickle.
    start : int
        Offset of its first byte.

    Raises
    ------
    PickleError
        An unknown instruction, or an argument that is cut off or malformed.
    """
    view = memoryview(content)
    at, end = start, len(view)
    while at < end:
        code = view[at]
        known = _CODES[code]
        if known is None:
            raise PickleError(f"unknown instruction {code:#04x} at {at:#x}")
        name, read = known
        if read is None:
            following, argument = at + 1, None
        else:
            try:
                argument, following = read(view, at + 1)
            except (struct.error, ValueError, IndexError):
                raise PickleError(f"damaged argument of {name} at {at:#x}") from None
        yield name, argument, at
        if name == "STOP":
            return
        at = following
    raise PickleError("cut off before its end")


_Read = Callable[[memoryview, int], tuple[Any, int]]


def _number(form: str) -> _Read:
    packed = struct.Struct(form)

    def read(view: memoryview, at: int) -> tuple[Any, int]:
        return packed.unpack_from(view, at)[0], at + packed.size

    return read


def _counted(form: str, take: Callable[[memoryview], Any]) -> _Read:
    packed = struct.Struct(form)

    def read(view: memoryview, at: int) -> tuple[Any, int]:
        length, start = packed.unpack_from(view, at)[0], at + packed.size
        if not 0 <= length <= len(view) - start:
            raise ValueError
        return take(view[start : start + length]), start + length

    return read


def _binary(part: memoryview) -> bytes | memoryview:
    return part if len(part) >= LARGE else bytes(part)


def _old_string(part: memoryview) -> str | memoryview:
    # Written by Python 2, where text and bytes were one; Latin-1 keeps every byte.
    return part if len(part) >= LARGE else str(part, "latin-1")


def _text(part: memoryview) -> str:
    return str(part, "utf-8", "surrogatepass")


def _long(part: memoryview) -> int:
    # A number of a million digits is no size of anything; kept small, it costs nothing later.
    return int.from_bytes(part[:64], "little", signed=True)


def _line(view: memoryview, at: int) -> tuple[bytes, int]:
    step, found = 256, -1
    stop = at
    while found < 0:
        part = bytes(view[stop : stop + step])
        if not part:
            raise ValueError
        found = part.find(b"\n")
        if found >= 0:
            return bytes(view[at : stop + found]), stop + found + 1
        stop += len(part)
        step *= 2
    raise ValueError


def _line_text(view: memoryview, at: int) -> tuple[str, int]:
    line, after = _line(view, at)
    return line.decode("utf-8", "surrogateescape"), after


def _two_lines(view: memoryview, at: int) -> tuple[tuple[str, str], int]:
    first, after = _line_text(view, at)
    second, after = _line_text(view, after)
    return (first, second), after


def _quoted(view: memoryview, at: int) -> tuple[str, int]:
    line, after = _line(view, at)
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"":
        raise ValueError
    return line[1:-1].decode("unicode_escape"), after


def _escaped(view: memoryview, at: int) -> tuple[str, int]:
    line, after = _line(view, at)
    return line.decode("raw-unicode-escape"), after


def _digits(view: memoryview, at: int) -> tuple[int | bool, int]:
    line, after = _line(view, at)
    if line in (b"00", b"01"):
        return line == b"01", after
    if len(line) > _MAX_DIGITS:
        raise ValueError
    return int(line.rstrip(b"L")), after


def _decimal(view: memoryview, at: int) -> tuple[float, int]:
    line, after = _line(view, at)
    return float(line[:_MAX_DIGITS]), after


_U1, _U2, _U4, _U8 = (_number(form) for form in ("<B", "<H", "<I", "<Q"))
_TABLE: dict[str, tuple[str, _Read | None]] = {
    "(": ("MARK", None),
    ".": ("STOP", None),
    "0": ("POP", None),
    "1": ("POP_MARK", None),
    "2": ("DUP", None),
    "F": ("NUMBER", _decimal),
    "I": ("NUMBER", _digits),
    "J": ("NUMBER", _number("<i")),
    "K": ("NUMBER", _U1),
    "L": ("NUMBER", _digits),
    "M": ("NUMBER", _U2),
    "N": ("NONE", None),
    "P": ("PERSID", _line_text),
    "Q": ("BINPERSID", None),
    "R": ("REDUCE", None),
    "S": ("TEXT", _quoted),
    "T": ("TEXT", _counted("<i", _old_string)),
    "U": ("TEXT", _counted("<B", _old_string)),
    "V": ("TEXT", _escaped),
    "X": ("TEXT", _counted("<I", _text)),
    "a": ("APPEND", None),
    "b": ("BUILD", None),
    "c": ("GLOBAL", _two_lines),
    "d": ("DICT", None),
    "}": ("EMPTY_DICT", None),
    "e": ("APPENDS", None),
    "g": ("GET", _digits),
    "h": ("GET", _U1),
    "i": ("INST", _two_lines),
    "j": ("GET", _U4),
    "l": ("LIST", None),
    "]": ("EMPTY_LIST", None),
    "o": ("OBJ", None),
    "p": ("PUT", _digits),
    "q": ("PUT", _U1),
    "r": ("PUT", _U4),
    "s": ("SETITEM", None),
    "t": ("TUPLE", None),
    ")": ("EMPTY_TUPLE", None),
    "u": ("SETITEMS", None),
    "G": ("NUMBER", _number(">d")),
    "\x80": ("PROTO", _U1),
    "\x81": ("NEWOBJ", None),
    "\x82": ("EXTENSION", _U1),
    "\x83": ("EXTENSION", _U2),
    "\x84": ("EXTENSION", _number("<i")),
    "\x85": ("TUPLE1", None),
    "\x86": ("TUPLE2", None),
    "\x87": ("TUPLE3", None),
    "\x88": ("TRUE", None),
    "\x89": ("FALSE", None),
    "\x8a": ("NUMBER", _counted("<B", _long)),
    "\x8b": ("NUMBER", _counted("<i", _long)),
    "B": ("BYTES", _counted("<I", _binary)),
    "C": ("BYTES", _counted("<B", _binary)),
    "\x8c": ("TEXT", _counted("<B", _text)),
    "\x8d": ("TEXT", _counted("<Q", _text)),
    "\x8e": ("BYTES", _counted("<Q", _binary)),
    "\x8f": ("EMPTY_SET", None),
    "\x90": ("ADDITEMS", None),
    "\x91": ("FROZENSET", None),
    "\x92": ("NEWOBJ_EX", None),
    "\x93": ("STACK_GLOBAL", None),
    "\x94": ("MEMOIZE", None),
    "\x95": ("FRAME", _U8),
    "\x96": ("BYTES", _counted("<Q", _binary)),
    "\x97": ("NEXT_BUFFER", None),
    "\x98": ("READONLY_BUFFER", None),
}
_CODES: list[tuple[str, _Read | None] | None] = [_TABLE.get(chr(code)) for code in range(256)]
