"""A trigger search while it runs, as its events tell it: previews, standings, time left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from inspector.gui.jobs_panel import duration
from inspector.gui.pixel_view import as_pixels
from inspector.gui.plain import plain
from inspector.gui.trigger_plots import LONGEST
from inspector.gui.trigger_results import Trigger, as_number

STAGE, SHADOWS = "Trigger search", "Shadow networks"
"""What the stages of a search begin with, and of what comes after it."""

ENDINGS = ("done", "failed", "cancelled")
_WORDS = ("found", "searching", "none")


@dataclass(frozen=True)
class Standing:
    """Where one class stands.

    Attributes
    ----------
    word : str
        "found" (a trigger works), "searching" (none does yet), "none" (none did, and it is over).
    running : bool
        Whether the search goes on; a trigger that works may still shrink.
    success : float
        Share of the search's pictures that the trigger turns, NaN when not known.
    mask_l1 : float
        Its size in pixels, NaN when not known.
    """

    word: str
    running: bool
    success: float
    mask_l1: float


class SearchCourse:
    """What is known of the running search. The engine's events are checked: it read hostile bytes.

    Attributes
    ----------
    running, paused, ending : bool
        Whether a search runs, holds, or was asked to end with what it has.
    live : dict of int to Trigger
        The latest preview of each class, with its course so far.
    standings : dict of int to Standing
    wanted : frozenset of int
        Classes that it was started for; empty when that is not known.
    """

    def __init__(self) -> None:
        self.running = self.paused = self.ending = False
        self.live: dict[int, Trigger] = {}
        self.standings: dict[int, Standing] = {}
        self.wanted: frozenset[int] = frozenset()
        self._left = self._share = float("nan")
        self._comparing = ""

    def begin(self, wanted: Iterable[int] = ()) -> None:
        """Follow a new search for these classes."""
        self.end()
        self.running, self.wanted = True, frozenset(wanted)

    def end(self) -> None:
        """Forget the search."""
        self.running = self.paused = self.ending = False
        self.live, self.standings, self.wanted = {}, {}, frozenset()
        self._left = self._share = float("nan")
        self._comparing = ""

    def concerns(self, index: int) -> bool:
        """Tell whether the search is for this class, as far as that is known."""
        return index in self.wanted or index in self.live

    @property
    def share(self) -> float:
        """How much of the search is done, 0 to 1; NaN while that is not known."""
        return self._share

    def take(self, event: dict[str, Any], count: int) -> int | None:
        """Take one event; return the class that it is about, or None.

        Parameters
        ----------
        event : dict
        count : int
            Number of classes; what others are said of is ignored.
        """
        kind, name = event.get("event"), event.get("name")
        if kind == "preview" and name == "trigger":
            return self._preview(event, count)
        if kind == "preview" and name == "trigger-classes":
            self._stand(event.get("classes"), count)
        elif kind == "progress" and (self.running or event.get("stage") == SHADOWS):
            stage = str(event.get("stage", ""))
            if not stage.startswith((STAGE, SHADOWS)):
                return None  # A map is placed beside.
            self.running = True  # Of a search that goes on with its shadows nothing else is seen.
            self._comparing = ""
            if stage.startswith(SHADOWS):
                self._compare(event.get("text"))
            done, total = as_number(event.get("done")), as_number(event.get("total"))
            self._share = min(max(done / total, 0.0), 1.0) if total > 0 else float("nan")
            self._left = as_number(event.get("seconds_left"))
        elif kind in ("paused", "resumed") and self.running:
            self.paused = kind == "paused"
        elif kind == "finishing" and self.running:
            self.ending, self.paused = True, False
        return None

    @property
    def comparing(self) -> bool:
        """Whether shadow networks are trained and searched: the classes are through."""
        return bool(self._comparing)

    def sentence(self) -> str:
        """Say how far the search is."""
        standings = list(self.standings.values())
        through = sum(not one.running for one in standings)
        works = sum(one.running and one.word == "found" for one in standings)
        total = max(len(self.wanted), len(standings))
        words = [f"{through:,} of {total:,} classes through" if total else "Searching …"]
        if self._comparing:
            words = [self._comparing]
        elif works:
            words.append(f"{works:,} more work so far")
        if self.ending:
            words.insert(0, "Stopping, keeping what works")
        elif self.paused:
            words.insert(0, "Paused")
        elif self._left == self._left:
            words.insert(0, f"{duration(self._left)} left")
        return " · ".join(words)

    def _compare(self, text: object) -> None:
        """Take that the classes are through and shadow networks are at their turn."""
        self._comparing = ": ".join(filter(None, (SHADOWS, plain(text or "", 80))))
        self.standings = {
            index: replace(one, running=False) for index, one in self.standings.items()
        }

    def _stand(self, rows: object, count: int) -> None:
        if not isinstance(rows, list):
            return
        for row in rows:
            index = row.get("class_index") if isinstance(row, dict) else None
            if isinstance(index, int) and 0 <= index < count and row.get("word") in _WORDS:
                self.standings[index] = Standing(
                    row["word"],
                    row.get("running") is True,
                    as_number(row.get("success")),
                    as_number(row.get("mask_l1")),
                )
        self.running = self.running or bool(self.standings)

    def _preview(self, event: dict[str, Any], count: int) -> int | None:
        index = event.get("class")
        if not isinstance(index, int) or not 0 <= index < count:
            return None
        self.running = True
        before = self.live.get(index, Trigger(index))
        mask, pattern = as_pixels(event.get("mask")), as_pixels(event.get("pattern"))
        step, success = as_number(event.get("step")), as_number(event.get("success"))
        self.live[index] = replace(
            before,
            mask=before.mask if mask is None else mask[:, :, :1],
            pattern=before.pattern if pattern is None else pattern,
            transforms=event.get("transforms") is True,
            success=success,
            mask_l1=as_number(event.get("mask_l1")),
            steps=(*before.steps[-LONGEST:], step if step == step else len(before.steps)),
            losses=(*before.losses[-LONGEST:], as_number(event.get("loss"))),
            successes=(*before.successes[-LONGEST:], success),
        )
        return index
