"""How long an engine may say nothing while it parses a file that may be built to hang it."""

from __future__ import annotations

import time

LONGEST = 3600.0
"""Seconds that an engine can ask for at most; what it says is not trusted."""


class Silence:
    """A clock that any word from the engine sets back, running only while it reads evidence.

    Attributes
    ----------
    name : str
        What is being read; "" when nothing is.
    allowed : float
        Seconds of silence before `overdue`; infinite when nothing is being read.
    """

    def __init__(self) -> None:
        self.name, self.allowed = "", float("inf")
        self._paused = False
        self._heard = time.monotonic()

    def hear(self, event: dict[str, object]) -> None:
        """Take notice of an event of the engine."""
        self._heard = time.monotonic()
        kind = event["event"]
        if kind == "reading":
            seconds = event.get("seconds")
            self.name = str(event.get("name", ""))[:500]
            known = isinstance(seconds, (int, float)) and seconds > 0
            self.allowed = min(float(seconds), LONGEST) if known else LONGEST  # type: ignore[arg-type]
        elif kind in ("read", "done", "failed", "cancelled"):
            self.name, self.allowed = "", float("inf")
        self._paused = kind == "paused"

    def overdue(self) -> bool:
        """Whether the engine has been silent for too long."""
        return not self._paused and time.monotonic() - self._heard > self.allowed
