"""Pause, cancel and throttled reports of the one job that runs in the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from inspector.api import Control
from inspector.errors import Cancelled

PROGRESS_INTERVAL = 1 / 20
"""Seconds between two progress reports of a stage; a screen reads no faster."""

PREVIEW_INTERVAL = 1 / 4

ALIVE_INTERVAL = 5.0
"""Seconds after which a job that goes on but has nothing to report says that it goes on."""


class JobControl(Control):
    """The engine's side of `inspector.api.Control`.

    Parameters
    ----------
    send : callable
        Takes an event without its job id; called from the compute thread.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._cancelled = threading.Event()
        self._finishing = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._spoken = time.monotonic()
        self._last: dict[str, tuple[float, int]] = {}
        self._last_preview: dict[str, float] = {}

    def cancel(self) -> None:
        """Make the next `check` raise, also of a paused job."""
        self._cancelled.set()
        self._running.set()

    def finish(self) -> None:
        """Have the job conclude with what it has, if it can; a paused one goes on for that."""
        self._finishing.set()
        self._running.set()

    def ends_early(self) -> bool:
        """Tell whether `finish` was asked for."""
        return self._finishing.is_set()

    def pause(self) -> None:
        """Make the next `check` block."""
        self._running.clear()

    def resume(self) -> None:
        """Let a paused job go on."""
        self._running.set()

    def check(self) -> None:
        """Raise `Cancelled` after a cancel; block while paused."""
        if not self._running.is_set():
            self._send({"event": "paused"})
            self._running.wait()
            if not self._cancelled.is_set():
                self._send({"event": "resumed"})
        if self._cancelled.is_set():
            raise Cancelled()
        now = time.monotonic()
        if now - self._spoken > ALIVE_INTERVAL:
            self._spoken = now
            self._send({"event": "alive"})

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        """Report at most 20 times a second; ``done`` is kept from falling within a stage."""
        now = time.monotonic()
        last, before = self._last.get(stage, (0.0, 0))
        done = max(int(done), before)
        finished = total > 0 and done >= total
        if now - last < PROGRESS_INTERVAL and not (finished and done > before):
            return
        self._last[stage] = (now, done)
        self._spoken = now
        self._send(
            {"event": "progress", "stage": stage, "done": done, "total": int(total), "text": text}
        )

    def preview(self, name: str, values: Mapping[str, Any]) -> None:
        """Send a preview at most 4 times a second per name and class, and every final one."""
        key = f"{name}:{values.get('class')}"
        now = time.monotonic()
        if now - self._last_preview.get(key, 0.0) < PREVIEW_INTERVAL and not values.get("final"):
            return
        self._last_preview[key] = now
        self._send({"event": "preview", "name": name, "values": dict(values)})

    def log(self, message: str) -> None:
        """Send a line for the log panel."""
        self._send({"event": "log", "text": str(message)[:4000]})
