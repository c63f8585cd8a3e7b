"""Plain JSON in one spelling only, so that equal values have equal digests."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from inspector.errors import CaseError


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it.

    NumPy scalars and arrays become Python numbers and lists, tuples become lists, paths text, and
    NaN or infinity None: a number that is not there.

    Raises
    ------
    TypeError
        Something that is not data: an object, a set, bytes.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"{type(value).__name__} cannot be kept in a case")


def canonical(value: Any) -> str:
    """Return the one spelling of a value: sorted keys, no blanks, ASCII only.

    File names that are not UTF-8 survive, as escaped surrogates.

    Raises
    ------
    CaseError
        Nested too deep to be an honest record.
    TypeError
        See `plain`.
    """
    try:
        return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise CaseError(
            "A record was not kept in the case.", "It is nested too deep to be what it claims."
        ) from None


def digest(data: str | bytes) -> str:
    """Return the SHA-256 of text or bytes in hexadecimal."""
    return hashlib.sha256(data.encode("ascii") if isinstance(data, str) else data).hexdigest()


def valid_unicode(text: str) -> str:
    r"""Return text that every JSON parser accepts: undecodable bytes of a file name as ``\xNN``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogateescape" if _from_bytes(text) else "surrogatepass")
        return raw.decode("utf-8", "backslashreplace")
    return text


def _from_bytes(text: str) -> bool:
    """Tell whether every lone surrogate stands for one byte of a file name (PEP 383)."""
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)
