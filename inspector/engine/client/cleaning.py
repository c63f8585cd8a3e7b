"""Check the cleaning: ask the engine to train copies, and keep what it measured in the case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from inspector.case import Case, find_trigger, trigger_id
from inspector.case.cleaning_document import KIND, MODELS, RATES, STARTS
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.steps import RunJob, key_of
from inspector.engine.client.triggers import trigger_files
from inspector.errors import BadInput, Cancelled

Agree = Callable[[dict[str, Any]], bool]
"""Takes the budget (start, why, epochs, steps, seconds) and says whether to train."""


@dataclass(frozen=True)
class CleaningPlan:
    """What is to be checked.

    Attributes
    ----------
    tags : tuple of str
        Samples that carry one of them are left out.
    trigger : str or None
        See `find_trigger`.
    start : str
        "scratch", "weights", or "auto" for the first of them that is possible.
    epochs : int or None
    seconds : float or None
        In place of ``epochs``: what both trainings together may take.
    images : int
        Random samples that are used; a fifth of those without a tag is held out to measure on.
    learning_rate : float
    seed : int
    """

    tags: tuple[str, ...] = ("suspect",)
    trigger: str | None = None
    start: str = "auto"
    epochs: int | None = None
    seconds: float | None = None
    images: int = 2000
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises
        ------
        BadInput
            A start is unknown or a number out of range.
        """
        if self.start not in STARTS:
            raise BadInput(f"There is no start {self.start!r}.", f"There are: {', '.join(STARTS)}.")
        if self.epochs is not None and self.seconds is not None:
            raise BadInput("Epochs and a budget were both given.", "", "Give one of them.")
        for what, number, low, high in (
            ("number of epochs", self.epochs, 1, 1000),
            ("budget in seconds", self.seconds, 1, 1e6),
            ("number of images", self.images, 100, 50_000),
            ("learning rate", self.learning_rate, 1e-7, 1.0),
        ):
            if number is not None and not low <= number <= high:
                raise BadInput(
                    f"A {what} of {number:g} is not possible.", "", f"Give {low:g} to {high:g}."
                )


def measure_cleaning(
    case: Case, run: RunJob, options: ScanOptions, plan: CleaningPlan, agree: Agree
) -> str:
    """Train and measure unless the case holds the same check already; return its key.

    Raises
    ------
    BadInput
        No trigger, no tagged sample, or too few samples.
    Cancelled
        The budget was not agreed to.
    """
    spec, row = case.get("model")["spec"], find_trigger(case, plan.trigger)
    files, tagged = trigger_files(case, row), _tagged(case, plan.tags)
    rows = np.sort(np.random.default_rng(plan.seed).permutation(case.n)[: plan.images])
    removed = rows[tagged[rows]]
    settings = {**asdict(plan), "tags": list(plan.tags), "trigger": trigger_id(row)}
    key = key_of(
        settings=settings,
        files=files,
        model=spec["sha256"],
        data=(case.get("dataset") or {}).get("digest"),
        removed=np.flatnonzero(tagged).tolist(),
    )
    if key in case.kept(KIND):
        return key
    trial = {
        name: settings[name] for name in ("start", "epochs", "seconds", "learning_rate", "seed")
    }
    arguments: dict[str, Any] = {
        "model": str(options.model),
        "data": str(options.data),
        "choice": {"spec": spec},
        "rows": rows.tolist(),
        "removed": removed.tolist(),
        "target": int(row["index"]),
        "trigger": files,
        "split": options.split,
    }
    asked = _told_budget(run("cleaning", trial=trial, only_budget=True, **arguments))
    if not agree(asked):
        raise Cancelled()
    # What was agreed to, not what a second measurement would say.
    trial |= {"start": asked["start"], "epochs": asked["epochs"], "seconds": None}
    result = run("cleaning", trial=trial, **arguments)
    value: dict[str, Any] = {
        "settings": settings,
        "target": int(row["index"]),
        "budget": asked,
        "tagged": int(tagged.sum()),
        **{name: _count(result[name]) for name in ("train", "removed", "held_out")},
        "seconds": round(_finite(result["seconds"]), 3),
        **{model: {name: _rate(result[model][name]) for name in RATES} for model in MODELS},
    }
    case.keep(
        KIND,
        key,
        value,
        trigger=settings["trigger"],
        tags=settings["tags"],
        start=asked["start"],
        **{f"success_{model}": value[model]["success"]["rate"] for model in MODELS},
    )
    return key


def _tagged(case: Case, tags: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    known = [kind.name for kind in case.tags.kinds]
    for name in tags:
        if name not in known:
            raise BadInput(f"There is no tag {name[:60]!r}.", f"The case has: {', '.join(known)}.")
    tagged = np.zeros(case.n, np.bool_)
    for name in tags:
        tagged |= case.tags.mask(name)
    if not tagged.any():
        raise BadInput(
            f"No sample carries the tag {' or '.join(tags)}.",
            "Without removed samples there is no cleaning to check.",
            "Tag samples first.",
        )
    return tagged


def _told_budget(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the budget that the engine told, in the types that it must have."""
    budget = told["budget"]
    if budget["start"] not in STARTS:
        raise ValueError(f"start {budget['start']!r}")
    return {
        "start": str(budget["start"]),
        "why": str(budget["why"])[:300],
        "epochs": _count(budget["epochs"]),
        "steps": _count(budget["steps"]),
        "seconds": round(_finite(budget["seconds"]), 1),
        **{name: _count(told[name]) for name in ("train", "removed", "held_out")},
    }


def _rate(told: Sequence[Any]) -> dict[str, Any]:
    hits, trials, low, high = told
    hits, trials = _count(hits), _count(trials)
    if not (hits <= trials and 0 <= low <= high <= 1):
        raise ValueError(f"{hits} of {trials}")
    return {
        "hits": hits,
        "trials": trials,
        "rate": round(hits / trials, 4) if trials else None,
        "interval": [round(float(low), 4), round(float(high), 4)],
    }


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"{value!r} is no count")
    return value


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no time")
    return number
