"""JSON lines between the app and the engine: commands in, events out, arrays as files by name.

Both sides check what they read. The engine has parsed hostile bytes, so the app treats every line
from it as untrusted: bounded length, an object, a known event, plain JSON values and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from inspector.errors import InspectorError

MAX_LINE = 8 << 20
"""Longest accepted line in bytes; a preview of a 224-pixel trigger takes about 1 MiB."""

COMMANDS = frozenset({"run", "cancel", "finish", "pause", "resume", "quit"})
EVENTS = frozenset(
    {
        "ready",
        "alive",
        "reading",
        "read",
        "progress",
        "preview",
        "log",
        "paused",
        "resumed",
        "done",
        "failed",
        "cancelled",
    }
)

_WITHOUT_JOB = frozenset({"ready", "log", "alive", "reading", "read"})


class ProtocolError(InspectorError):
    """A line that is not part of the conversation."""


def _plain(value: Any) -> Any:
    """Reduce numpy scalars, tuples and non-finite numbers to what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "tolist"):  # numpy scalars and small arrays
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def encode(message: Mapping[str, Any]) -> bytes:
    """Return one line, newline included; NaN and infinities become null.

    Raises
    ------
    ProtocolError
        The message is longer than `MAX_LINE`; arrays belong into files.
    """
    text = json.dumps(_plain(message), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    line = text.encode("ascii") + b"\n"
    if len(line) > MAX_LINE:
        raise ProtocolError(
            f"A message of {len(line):,} bytes is too long for the engine protocol."
        )
    return line


def _decode(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise ProtocolError("The other side sent a line longer than the protocol allows.")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(
            "The other side sent a line that is not JSON.", str(error)[:200]
        ) from None
    if not isinstance(message, dict):
        raise ProtocolError("The other side sent a line that is not an object.")
    return message


def decode_command(line: bytes) -> dict[str, Any]:
    """Check a line that reached the engine: ``{"do": …, "id": …, "job": …, "with": {…}}``.

    Raises
    ------
    ProtocolError
        Not a command.
    """
    message = _decode(line)
    do = message.get("do")
    if not isinstance(do, str) or do not in COMMANDS:
        raise ProtocolError(f"Unknown command {str(do)[:80]!r}.")
    if message["do"] != "quit" and not isinstance(message.get("id"), int):
        raise ProtocolError("A command needs a whole number as id.")
    if message["do"] == "run" and not (
        isinstance(message.get("job"), str) and isinstance(message.get("with", {}), dict)
    ):
        raise ProtocolError("A run needs the name of a job and its arguments.")
    return message


def decode_event(line: bytes) -> dict[str, Any]:
    """Check a line that came from the engine.

    Raises
    ------
    ProtocolError
        Not an event.
    """
    message = _decode(line)
    kind = message.get("event")
    if not isinstance(kind, str) or kind not in EVENTS:
        raise ProtocolError(f"Unknown event {str(kind)[:80]!r}.")
    if kind not in _WITHOUT_JOB and not isinstance(message.get("id"), int):
        raise ProtocolError("An event needs a whole number as id.")
    if kind == "progress" and not (
        isinstance(message.get("stage"), str)
        and all(type(message.get(name)) is int for name in ("done", "total"))
    ):
        raise ProtocolError("Progress needs a stage and two whole numbers.")
    return message
