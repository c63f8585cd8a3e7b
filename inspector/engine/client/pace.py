"""How fast a stage goes and how long it will take, from a moving window."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

FEW = 4
"""From so many steps on the time left is foretold: fewer are seldom of one length."""
WINDOW = 15.0
"""Seconds of history that the rate is taken over at least; a slow start is forgotten after that."""

SHARE = 0.25
"""The same as a share of the time that the stage has run: a long one has parts of uneven pace."""


class Pace:
    """Add ``rate`` (per second) and ``seconds_left`` to the progress events of one job."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}
        self._began: dict[str, float] = {}

    def extend(self, event: dict[str, Any], now: float | None = None) -> dict[str, Any]:
        """Return the event with its rate; both are None until two reports are apart, and
        the time left of a stage in fewer than `FEW` steps.

        Parameters
        ----------
        event : dict
            A progress event with ``stage``, ``done`` and ``total``.
        now : float, optional
            Seconds of a monotonic clock; taken from the machine when missing.
        """
        now = time.monotonic() if now is None else now
        seen = self._seen.setdefault(str(event.get("stage")), deque())
        done, total = int(event.get("done") or 0), int(event.get("total") or 0)
        if seen and done < seen[-1][1]:
            seen.clear()  # The stage began anew, as in the next of several drills.
        if not seen:
            self._began[str(event.get("stage"))] = now
        seen.append((now, done))
        window = max(WINDOW, SHARE * (now - self._began[str(event.get("stage"))]))
        while len(seen) > 2 and now - seen[0][0] > window:
            seen.popleft()
        elapsed, made = now - seen[0][0], done - seen[0][1]
        rate = made / elapsed if elapsed > 0.05 and made > 0 else None
        left = (total - done) / rate if rate and total >= FEW else None
        return {**event, "rate": rate, "seconds_left": left}
