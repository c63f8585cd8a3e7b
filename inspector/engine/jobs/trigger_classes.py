"""Search the classes of a request that no earlier search got through, and keep each that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.api import Control
from inspector.errors import BadInput, InspectorError

if TYPE_CHECKING:
    from inspector.triggers import MethodEntry, Search, TriggerResult

_UNITS = 1000
"""Of progress in each part of a request that has several."""


class PartOf(Control):
    """A control for one of several searches that are one stage to the analyst.

    Parameters
    ----------
    whole : Control
        That of the job.
    stage : str
        Name of the stage, in place of the search's own.
    at, parts : int
        Which part this is, and of how many.
    """

    def __init__(self, whole: Control, stage: str, at: int, parts: int) -> None:
        self._whole, self._stage, self._at, self._parts = whole, stage, at, parts

    def check(self) -> None:
        """Raise when cancelled, block while paused."""
        self._whole.check()

    def ends_early(self) -> bool:
        """Tell whether the whole is to end with what there is."""
        return self._whole.ends_early()

    def preview(self, name: str, values: Mapping[str, Any]) -> None:
        """Pass a preview on."""
        self._whole.preview(name, values)

    def log(self, message: str) -> None:
        """Pass a line on."""
        self._whole.log(message)

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        """Report the share that is done as a share of the whole."""
        share = min(_UNITS, _UNITS * done // total) if total > 0 else 0
        self._whole.progress(self._stage, self._at * _UNITS + share, self._parts * _UNITS, text)


def search_classes(
    entries: Sequence[MethodEntry], search: Search, folder: Path, source: int | str | None
) -> list[TriggerResult]:
    """Search every class with every method, from all pictures or from those of a source class.

    Parameters
    ----------
    entries : sequence of MethodEntry
    search : Search
        Its control may end it early; then classes are missing from the results.
    folder : Path
        Keeps the results of classes that were searched through, and has those of earlier searches.
    source : int, str or None
        A class; "each" for all in turn.

    Returns
    -------
    list of TriggerResult
        By method, then in the order of the asked classes.
    """
    from inspector.triggers.sources import sources_of

    control, results = search.control, []
    sources: Sequence[int | None] = [source] if not isinstance(source, str) else sources_of(search)
    parts = len(entries) * len(sources)
    for at, entry in enumerate(entries):
        begun = at * len(sources)
        controls = [
            control if parts == 1 else PartOf(control, "triggers", begun + part, parts)
            for part in range(len(sources))
        ]
        if source is None:
            results += _searched(entry, replace(search, control=controls[0]), folder)
        else:
            results += _from_sources(entry, search, folder, dict(zip(sources, controls)))
    return results


def forget_classes(folder: Path, results: Sequence[TriggerResult]) -> None:
    """Delete what is kept of these results: asked once more, the search is made once more."""
    from inspector.triggers.kept import forget_result

    for place in (folder, *folder.glob("source-*")):
        for result in results:
            forget_result(place, result.class_index, result.method)


def _searched(entry: MethodEntry, search: Search, folder: Path) -> list[TriggerResult]:
    """Return results in the order of the classes; those that are there already are not searched."""
    from inspector.triggers.kept import keep_result, kept_result

    found: dict[int, TriggerResult] = {}
    for index in search.classes:
        earlier = kept_result(folder, index, entry.id)
        if earlier is not None:
            found[index] = earlier
    if found:
        kept = "1 class was" if len(found) == 1 else f"{len(found)} classes were"
        search.control.log(f"{kept} searched before.")
    missing = tuple(index for index in search.classes if index not in found)
    if missing and not search.control.ends_early():
        for result in run_method(entry, replace(search, classes=missing)):
            found[result.class_index] = result
            if not result.stopped_early:
                keep_result(folder, result)
    lacking = [index for index in search.classes if index not in found]
    if lacking and not search.control.ends_early():
        raise InspectorError(
            f"The trigger search {entry.id} returned nothing for class {lacking[0]}.",
            f"It comes from: {entry.origin}.",
            "Use another method.",
        )
    return [found[index] for index in search.classes if index in found]


def _from_sources(
    entry: MethodEntry, search: Search, folder: Path, sources: Mapping[int | None, Control]
) -> list[TriggerResult]:
    """Search from each source class; every one keeps its own classes apart."""
    from inspector.triggers.sources import most_telling, of_source, told

    found: dict[int, list[tuple[int, TriggerResult]]] = {index: [] for index in search.classes}
    for one, control in sources.items():
        assert one is not None
        own = folder / f"source-{one}"
        own.mkdir(exist_ok=True)
        for result in _searched(entry, replace(of_source(search, one), control=control), own):
            found[result.class_index].append((one, result))
    if search.control.ends_early():
        # A target is judged by the best of its sources: with fewer of them it is not through.
        results = []
        for those in filter(None, found.values()):
            best = told(*most_telling(those))
            if len(those) < len(sources) or any(result.stopped_early for _, result in those):
                tried = f"{len(those)} of {len(sources)} source classes"
                said = f"Stopped early: searched from {tried}, not compared with other classes."
                best = replace(best, stopped_early=True, notes=(said, *best.notes))
            results.append(best)
        return results
    if not all(found.values()):
        raise BadInput(
            "No class has the pictures that a search from it needs.",
            "Some must search and others must measure.",
            "Use more pictures: raise --data-limit, or give labelled ones with --reference.",
        )
    return [told(*most_telling(found[index])) for index in search.classes]


def run_method(entry: MethodEntry, search: Search) -> Iterator[TriggerResult]:
    """Run a method; what a plugin breaks is told in one sentence."""
    assert entry.factory is not None
    asked = set(search.classes)
    try:
        for result in entry.factory().run(search):
            if result.class_index in asked:
                yield result
    except (InspectorError, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        # Closing the generator is no failure of the method.
        if entry.origin == "bundled" or isinstance(error, GeneratorExit):
            raise
        said = " ".join(str(error).split())[:200]
        raise InspectorError(
            f"The trigger search {entry.id} failed.",
            f"{type(error).__name__}: {said}.",
            f"It comes from: {entry.origin}.",
        ) from error
