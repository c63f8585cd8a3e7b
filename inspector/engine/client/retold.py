"""Events of an engine, as an investigation tells them on."""

from __future__ import annotations

from typing import Any

from inspector.engine.client.pace import Pace

STAGES = {
    "hash": "Hashing",
    "model": "Recognising the network",
    "detectors": "Detectors",
    "triggers": "Trigger search",
    "seeds": "Trigger search, other seeds",
    "carriers": "Search of the data",
}
"""Words for the stages that rooms below the engine report under names of their own."""

_SHARES = ("Trigger search", "Trigger search, other seeds", "Shadow networks")
"""Stages whose counts are no things that somebody could count, but shares of several searches."""


def how_far(stage: object, done: int, total: int, words: str = "{:,} of {:,}") -> str:
    """Return how far a stage is: counts of what it counts, or its share in percent."""
    return f"{100 * done // total} %" if is_share(stage) else words.format(done, total)


def is_share(stage: object) -> bool:
    """Tell whether how far a stage is can only be told as a share."""
    return stage in _SHARES


def retold(event: dict[str, Any], pace: Pace) -> dict[str, Any] | None:
    """Return what is told of an engine's event; None for what concerns the client alone.

    Parameters
    ----------
    event : dict
        From `Engine`.
    pace : Pace
        Of the running job: progress gets its rate and the time left.
    """
    kind = event["event"]
    if kind == "progress":
        stage = str(event.get("stage"))
        return pace.extend({**event, "stage": STAGES.get(stage, stage)})
    if kind == "preview":
        values = event.get("values")
        values = values if isinstance(values, dict) else {}
        return {**values, "event": "preview", "name": event.get("name")}
    return event if kind in ("log", "paused", "resumed", "ready") else None
