"""Search the classes of a request that no earlier search got through, and keep each that is."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.api import Control
from inspector.errors import BadInput, InspectorError

if TYPE_CHECKING:
    from inspector.triggers import MethodEntry, Search, TriggerResult

_UNITS = 1000
"""Of progress in each part of a request that has several."""

_RUNG, _SOURCE = "rung", "source-"
"""Folders of what was searched in part, and from one source class."""


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
    entries: Sequence[MethodEntry],
    search: Search,
    folder: Path,
    source: int | str | None,
    *,
    screened: bool = False,
) -> list[TriggerResult]:
    """Search every class with every method, from all pictures or from those of a source class.

    Parameters
    ----------
    entries : sequence of MethodEntry
        Screens first, if any.
    search : Search
        Its control may end it early; then classes are missing from the results.
    folder : Path
        Keeps the results of classes that were searched through, and has those of earlier searches.
    source : int, str or None
        A class; "each" for all in turn.
    screened : bool
        Compare all classes at the methods' rungs, and search only those to the end that stand out
        there or in a screen; see `screening`.

    Returns
    -------
    list of TriggerResult
        By method, then in the order of the asked classes.
    """
    from inspector.triggers.screening import has_rung
    from inspector.triggers.sources import sources_of

    sources: Sequence[int | None] = [source] if not isinstance(source, str) else sources_of(search)
    halved = [screened and has_rung(entry.info, search) for entry in entries]
    parts = sum(len(sources) + one for one in halved)
    each = itertools.count()

    def part() -> Control:
        return (
            PartOf(search.control, "triggers", next(each), parts) if parts > 1 else search.control
        )

    results: list[TriggerResult] = []
    for entry, in_two in zip(entries, halved):
        asked = as_asked(entry, search, screened and len(entries) > 1)
        pieces = _Pieces(entry, folder, {one: part() for one in sources})
        results += _in_two(pieces, asked, results, part()) if in_two else pieces.all_of(asked)
    return results


def as_asked(entry: MethodEntry, search: Search, first: bool) -> Search:
    """Return a search as one of its methods makes it: a screen that goes ahead of others is brief.

    How many steps a screen takes is its own affair when so many were asked of the others.
    """
    from inspector.triggers.screening import SCREENS

    return replace(search, steps=None, quick=True) if first and entry.id in SCREENS else search


def forget_classes(folder: Path, results: Sequence[TriggerResult]) -> None:
    """Delete what is kept of these results: asked once more, the search is made once more."""
    from inspector.triggers.kept import forget_result, places_of
    from inspector.triggers.kept_screens import forget_screen
    from inspector.triggers.running import forget_running

    for method in dict.fromkeys(result.method for result in results):
        for place in places_of(folder, method):
            forget_screen(place, method)
            for result in results:
                if result.method == method:
                    forget_result(place, result.class_index, method)
                    forget_running(place, result.class_index, method)
            with contextlib.suppress(OSError):  # other classes are kept there
                place.rmdir()


@dataclass(frozen=True)
class _Pieces:
    """One method, where its classes are kept, and the control of each source that it searches from."""

    entry: MethodEntry
    folder: Path
    controls: Mapping[int | None, Control]

    def all_of(self, search: Search) -> list[TriggerResult]:
        if None in self.controls:
            return _searched(self.entry, replace(search, control=self.controls[None]), self.folder)
        return _from_sources(self.entry, search, self.folder, self.controls)


def _in_two(
    pieces: _Pieces, search: Search, screens: Sequence[TriggerResult], last: Control
) -> list[TriggerResult]:
    """Search all classes to the rung, and those that stand out to the end."""
    from inspector.triggers.kept import place_of
    from inspector.triggers.running import hand_on_running
    from inspector.triggers.screening import cut_short, gone_on, pointed_at, stopped_at
    from inspector.triggers.sources import of_source, told

    entry, folder = pieces.entry, pieces.folder
    assert entry.info is not None
    steps, first = entry.info.rung, folder / _RUNG
    first.mkdir(exist_ok=True)
    early = replace(search, steps=steps, quick=True)
    rung = replace(pieces, folder=first).all_of(early)
    if search.control.ends_early():
        return [one if one.stopped_early else cut_short(one) for one in rung]
    chosen = pointed_at(rung, screens)
    search = replace(search, control=last)
    full: dict[int, TriggerResult] = {}
    for source in dict.fromkeys(_source_of(one) for one in rung if one.class_index in chosen):
        those = tuple(
            one.class_index
            for one in rung
            if one.class_index in chosen and _source_of(one) == source
        )
        own = replace(search if source is None else of_source(search, source), classes=those)
        place = folder if source is None else folder / f"{_SOURCE}{source}"
        ends = place_of(entry, own, place)
        ends.mkdir(parents=True, exist_ok=True)
        before = replace(own, steps=early.steps, quick=early.quick)
        stood = place_of(entry, before, first / place.relative_to(folder))
        for index in those:
            hand_on_running(stood, ends, index, entry.id)
        for found in _searched(entry, own, place):
            full[found.class_index] = found if source is None else told(source, found)
    results = []
    for one in rung:
        if one.class_index not in chosen:
            results.append(one if one.status == "skipped" else stopped_at(one, steps))
        elif one.class_index in full:
            by = chosen[one.class_index]
            results.append(gone_on(one, full[one.class_index], steps, by))
        else:
            results.append(cut_short(one))
    return results


def _source_of(result: TriggerResult) -> int | None:
    source = result.details.get("source")
    return None if source is None else int(source)


def _searched(entry: MethodEntry, search: Search, folder: Path) -> list[TriggerResult]:
    """Return results in the order of the classes; those that are there already are not searched."""
    from inspector.triggers.kept import keep_result, kept_result, place_of
    from inspector.triggers.running import forget_running
    from inspector.triggers.screening import SCREENS

    folder = place_of(entry, search, folder)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[int, TriggerResult] = {}
    for index in search.classes:
        earlier = kept_result(folder, index, entry.id)
        if earlier is not None:
            found[index] = earlier
    if len(found) < len(search.classes) and entry.id in SCREENS:
        found.clear()  # A screen compares what it looked at together.
    if found:
        kept = "1 class was" if len(found) == 1 else f"{len(found)} classes were"
        search.control.log(f"{kept} searched before.")
    missing = tuple(index for index in search.classes if index not in found)
    if missing and not search.control.ends_early():
        for result in run_method(entry, replace(search, classes=missing, folder=folder)):
            found[result.class_index] = result
            if not result.stopped_early:
                keep_result(folder, result)
                forget_running(folder, result.class_index, result.method)
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
        own = folder / f"{_SOURCE}{one}"
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
