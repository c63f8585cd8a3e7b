"""Search triggers for some classes; masks and patterns become arrays, the rest a plain table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector import places
from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.session import Session
from inspector.errors import BadInput, InspectorError

if TYPE_CHECKING:
    from inspector.triggers import MethodEntry, Search, TriggerResult


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    suspect_data: str,
    choice: dict[str, Any],
    classes: list[int],
    class_names: list[str],
    folder: str,
    data: str,
    data_role: str = "data",
    methods: list[str] | None = None,
    steps: int | None = None,
    data_limit: int = 1000,
    seeds: int = 1,
    source: int | str | None = None,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the trigger document of the searched classes and the written arrays.

    ``data`` is where the pictures come from: the trusted reference set if there is one, else the
    suspect data itself. ``data_limit`` pictures are drawn evenly over the labels. Classes that a
    search with the same settings finished before it was stopped are taken from ``folder``. With
    ``seeds`` beyond one, significant classes are searched again from other seeds. With ``source``
    only pictures of that class are turned; "each" takes every class in turn and reports for each
    target the source from which it stands out most.
    """
    from inspector.triggers import prepare_search, sample_rows, trigger_document
    from inspector.triggers.registry import DEFAULT, chosen_methods
    from inspector.triggers.sources import of_source

    chosen = chosen_methods(methods or [DEFAULT], found_methods())
    suspect = model_of(session, control, model, suspect_data, choice, split)
    part = split if data_role == "data" else None
    dataset = dataset_of(session, data, data_role, part, orientation_of(choice))
    drawn_from = dataset.labels == source if isinstance(source, int) else None
    if drawn_from is not None and not drawn_from.any():
        raise BadInput(
            f"No picture of {data} carries the label of class {source}.",
            "A source-specific search turns pictures of one class.",
            "Name another source class, or give pictures of it with --reference.",
        )
    rows = sample_rows(dataset.labels, data_limit, seed, drawn_from)
    decoded = dataset.decode_batch(rows)
    readable = [at for at, image in enumerate(decoded) if isinstance(image, np.ndarray)]
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    if not readable:
        raise BadInput(
            f"None of the {len(rows)} pictures drawn from {data} can be read.",
            "A trigger search puts patterns on pictures.",
            "Give readable pictures with --reference.",
        )
    names = {index: str(index) for index in range(suspect.num_classes)}
    names |= dict(enumerate(class_names))
    target = session.folder(folder)
    search = prepare_search(
        suspect,
        images,
        dataset.labels[rows[readable]],
        classes,
        steps=steps,
        seed=seed,
        control=control,
    )
    results: list[TriggerResult] = []
    for entry in chosen:
        results += (
            _searched(entry, search, target, control)
            if source is None
            else _from_sources(entry, search, target, control, source)
        )
    document = trigger_document(results, names)
    versions = {entry.id: entry for entry in chosen}
    arrays: list[dict[str, Any]] = []
    for row, result in zip(document["classes"], results, strict=True):
        entry = versions[result.method]
        row["history"] = np.round(result.history.astype(float), 5).tolist()
        row["version"] = entry.info.version if entry.info else ""
        row["origin"], row["plugin_sha256"] = entry.origin, entry.sha256
        if result.status == "done":
            row |= _written(session, target, result, arrays)
        if seeds > 1 and row["significant"] and result.status == "done":
            own = search if source is None else of_source(search, int(result.details["source"]))
            row["stability"] = _again(entry, own, result, seeds)
    # Done: asked once more, the search is to be made once more.
    for kept in target.rglob("*.kept.*"):
        kept.unlink(missing_ok=True)
    return {**document, "arrays": arrays}


def found_methods() -> list[MethodEntry]:
    """Return every method: bundled, of installed packages, and dropped into plugin folders."""
    from inspector.triggers.registry import discover_methods

    return discover_methods([places.bundled_plugins(), places.user_plugins()])


def _searched(
    entry: MethodEntry, search: Search, folder: Path, control: Control
) -> list[TriggerResult]:
    """Return results in the order of the classes; those that are there already are not searched."""
    from inspector.triggers.kept import keep_result, kept_result

    found: dict[int, TriggerResult] = {}
    for index in search.classes:
        earlier = kept_result(folder, index, entry.id)
        if earlier is not None:
            found[index] = earlier
    missing = tuple(index for index in search.classes if index not in found)
    if missing:
        for result in _guarded(entry, replace(search, classes=missing)):
            found[result.class_index] = result
            keep_result(folder, result)
    if found and len(missing) < len(search.classes):
        control.log(f"{len(search.classes) - len(missing)} classes were searched before.")
    lacking = [index for index in search.classes if index not in found]
    if lacking:
        raise InspectorError(
            f"The trigger search {entry.id} returned nothing for class {lacking[0]}.",
            f"It comes from: {entry.origin}.",
            "Use another method.",
        )
    return [found[index] for index in search.classes]


def _from_sources(
    entry: MethodEntry, search: Search, folder: Path, control: Control, source: int | str
) -> list[TriggerResult]:
    """Search from one class, or from each; every source keeps its finished classes apart."""
    from inspector.triggers.sources import most_telling, of_source, sources_of, told

    found: dict[int, list[tuple[int, TriggerResult]]] = {index: [] for index in search.classes}
    for one in sources_of(search) if isinstance(source, str) else [source]:
        own = folder / f"source-{one}"
        own.mkdir(exist_ok=True)
        for result in _searched(entry, of_source(search, one), own, control):
            found[result.class_index].append((one, result))
    if not all(found.values()):
        raise BadInput(
            "No class has the pictures that a search from it needs.",
            "Some must search and others must measure.",
            "Use more pictures: raise --data-limit, or give labelled ones with --reference.",
        )
    return [told(*most_telling(found[index])) for index in search.classes]


def _guarded(entry: MethodEntry, search: Search) -> list[TriggerResult]:
    """Run a method; what a plugin breaks is told in one sentence."""
    assert entry.factory is not None
    try:
        return list(entry.factory().run(search))
    except (InspectorError, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        if entry.origin == "bundled":
            raise
        said = " ".join(str(error).split())[:200]
        raise InspectorError(
            f"The trigger search {entry.id} failed.",
            f"{type(error).__name__}: {said}.",
            f"It comes from: {entry.origin}.",
        ) from error


def _written(
    session: Session, folder: Path, result: TriggerResult, arrays: list[dict[str, Any]]
) -> dict[str, str]:
    stem = f"{result.class_index}-{result.method}"
    named = {}
    for part in ("mask", "pattern", "delta"):
        values = getattr(result, part)
        if values is not None:
            name = f"trigger:{stem}:{part}"
            arrays.append(write_array(session, name, folder / f"{stem}-{part}.npy", values))
            named[f"{part}_array"] = name
    return named


def _again(entry: MethodEntry, search: Search, first: TriggerResult, seeds: int) -> dict[str, Any]:
    from inspector.triggers.stability import stability

    results = [first]
    for more in range(1, seeds):
        again = replace(search, classes=(first.class_index,), seed=search.seed + more)
        results += _guarded(entry, again)
    return stability(results)
