"""Triggers that work on the pictures of one class only, and turn these into another.

The attacker of a source-specific backdoor also plants the pattern on other classes with their right
labels, so that no pattern turns pictures of every class (Tang, Wang, Tang, Zhang: Demon in the
Variant, USENIX Security 2021). A search over all pictures then finds a large trigger or none; one
over the source class alone finds the small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inspector.errors import BadInput
from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search


def of_source(search: Search, source: int) -> Search:
    """Return the same search over the pictures of one class alone.

    Parameters
    ----------
    search : Search
    source : int
        Class whose label the pictures carry. As a target it has none to turn and is skipped.

    Raises
    ------
    BadInput
        No picture of the class to search with, or none to measure with.
    """
    pictures = search.pictures
    chosen = [
        rows[pictures.labels[rows] == source] for rows in (pictures.search, pictures.held_out)
    ]
    if not all(len(rows) for rows in chosen):
        raise BadInput(
            f"There are too few pictures of the class {source} to search from it.",
            "Some must search and others must measure.",
            "Name another source class, or give pictures of it as reference data.",
        )
    return replace(search, pictures=replace(pictures, search=chosen[0], held_out=chosen[1]))


def sources_of(search: Search) -> list[int]:
    """Return the classes that a search has pictures of in both halves."""
    pictures = search.pictures
    halves = [set(pictures.labels[rows].tolist()) for rows in (pictures.search, pictures.held_out)]
    return sorted(label for label in halves[0] & halves[1] if 0 <= label < search.num_classes)


def most_telling(results: Sequence[tuple[int, TriggerResult]]) -> tuple[int, TriggerResult]:
    """Return the source class from which a target stands out most, and the result.

    Parameters
    ----------
    results : sequence of (int, TriggerResult)
        Source class, and what was found from there; all of one target and one method.

    Notes
    -----
    Every target is then judged by the best of equally many sources, so that targets stay comparable.
    """

    def standing_out(pair: tuple[int, TriggerResult]) -> float:
        looks = float(np.mean(pair[1].compared))
        return -np.inf if np.isnan(looks) else looks

    done = [pair for pair in results if pair[1].status == "done"]
    return max(done or results, key=standing_out)


def told(source: int, result: TriggerResult) -> TriggerResult:
    """Return a result that says which class it was searched from."""
    return replace(result, details={**result.details, "source": source})
