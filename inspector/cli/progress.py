"""Progress on a terminal: a live bar per stage, or plain lines where nobody watches."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from inspector.engine.client.retold import how_far

PLAIN_INTERVAL = 10.0
"""Seconds between two plain lines of one stage in a log file."""


_COUNTS_SAMPLES = ("Hashing", "Signals", "Export: export", "Export: verify")
"""Stages whose steps are samples; a rate of "2 steps per second" tells nobody anything."""


def duration(seconds: float | None) -> str:
    """Return seconds in words a person reads at a glance."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _pace(event: dict[str, Any]) -> str:
    rate, left = event.get("rate"), event.get("seconds_left")
    parts = []
    if rate and event.get("stage") in _COUNTS_SAMPLES:
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if left is not None and left >= 0.5:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


class Reporter:
    """Show the events of an investigation on standard error; use as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._finished: set[str] = set()

    def __enter__(self) -> Reporter:
        if self._live:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[counts]}", markup=False),
                TextColumn("{task.fields[pace]}", markup=False),
                TextColumn("{task.fields[text]}", markup=False, style="dim"),
                console=self._console,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event; called from the engine's reader thread."""
        kind = event["event"]
        if kind == "progress":
            self._progress(event)
        elif kind == "stage":
            self._stage(event)
        elif kind == "log":
            self._line(str(event["text"]))

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _stage(self, event: dict[str, Any]) -> None:
        if event["state"] == "skipped":
            self._line(f"{event['stage']}: already in the case")
        elif not self._live:
            self._line(f"{event['stage']}: {event['state']}")

    def _progress(self, event: dict[str, Any]) -> None:
        stage, done, total = str(event["stage"]), int(event["done"]), int(event["total"])
        pace, text = _pace(event), str(event.get("text", ""))
        counts = how_far(stage, done, total, "{:,}/{:,}") if total else f"{done:,}"
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(
                    stage, total=total or None, counts="", pace="", text=""
                )
            self._bars.update(
                self._tasks[stage],
                completed=done,
                total=total or None,
                counts=counts,
                pace=pace if done < total else "",
                text=text[:40] if done < total else "",
            )
            return
        now = time.monotonic()
        finished = 0 < total <= done and stage not in self._finished
        if finished or now - self._said.setdefault(stage, now) >= PLAIN_INTERVAL:
            self._said[stage] = now
            if finished:
                self._finished.add(stage)
            self._line("  ".join(part for part in (f"{stage}: {counts}", pace, text) if part))
