"""What every step of an investigation is made of: a job, a key, events, arrays taken in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

from inspector.case import Case

Emit = Callable[[dict[str, Any]], None]


class RunJob(Protocol):
    """Run one job in the engine, wait for it, and return its result."""

    def __call__(self, job: str, **arguments: Any) -> dict[str, Any]: ...


def key_of(**parts: Any) -> str:
    """Return 16 hexadecimal digits that stand for these values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def register(case: Case, arrays: list[dict[str, Any]], emit: Emit) -> None:
    """Take arrays that the engine wrote into the case, checked, and say that they are there."""
    for item in arrays:
        case.set_array(
            str(item["name"]),
            str(item["path"]),
            str(item["dtype"]),
            tuple(int(size) for size in item["shape"]),
            str(item["sha256"]),
        )
        emit({"event": "array", "name": str(item["name"])})
