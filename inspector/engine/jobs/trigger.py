"""Search triggers for some classes; masks and patterns become arrays, the rest a plain table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector import places
from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.jobs.shadow_classes import Shadows
from inspector.engine.jobs.trigger_classes import (
    PartOf,
    forget_classes,
    run_method,
    search_classes,
)
from inspector.engine.session import Session
from inspector.errors import BadInput

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
    full: bool = False,
    shadows: dict[str, Any] | None = None,
    only_budget: bool = False,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the trigger document of the searched classes and the written arrays.

    ``data`` is where the pictures come from: the trusted reference set if there is one, else the
    suspect data itself. ``data_limit`` pictures are drawn evenly over the labels. Classes that a
    search with the same settings got through before it was stopped are taken from ``folder``. When
    the control ends it early, what the classes have so far is the result, ``ended_early`` is true and
    ``lacking`` names the classes of which there is nothing; so it is when shadow networks are lacking.
    With ``seeds`` beyond one, significant classes are searched again from other seeds. With ``source``
    only pictures of that class are turned; "each" takes every class in turn and reports for each
    target the source from which it stands out most. A search of all classes compares them at an early
    point and goes on with those that stand out, unless ``full``; without ``methods`` it begins with
    the screens.

    ``shadows`` (count, epochs, images, rows, and data and role of what they are trained on) has clean
    look-alikes of the network trained and searched alike, to compare its classes with; with
    ``only_budget`` nothing is searched, and what they will take is returned.
    """
    from inspector.signals import machine
    from inspector.triggers import network_verdict, prepare_search, sample_rows, trigger_document
    from inspector.triggers.registry import DEFAULT, chosen_methods
    from inspector.triggers.screening import SCREENS

    suspect = model_of(session, control, model, suspect_data, choice, split)
    screened = not full and set(classes) == set(range(suspect.num_classes))
    first = SCREENS if screened and source is None else ()
    chosen = chosen_methods(methods or [*first, DEFAULT], found_methods())
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
    labels = dataset.labels[rows[readable]]
    search = prepare_search(
        suspect,
        images,
        labels,
        classes,
        steps=steps,
        seed=seed,
        control=control,
    )
    beside = None
    if shadows is not None:
        pictures = images, labels
        beside = Shadows(
            session, control, suspect, search, pictures, target, shadows, choice, split, source
        )
        if only_budget:
            return {"budget": beside.budget(chosen, screened)}
    with machine.memory_kept_at_hand():
        results = search_classes(chosen, search, target, source, screened=screened)
        calibrations = beside.calibrate(chosen, results, screened) if beside else {}
    asked = {(index, entry.id) for entry in chosen for index in search.classes}
    through = {(r.class_index, r.method) for r in results if not r.stopped_early}
    cut = beside is not None and beside.lacking > 0
    early = cut or (control.ends_early() and through != asked)
    # The pictures of a search that is through lie at names of its own: one that ends early must not
    # write over them, for it may not take their place in the case.
    place = _fresh_folder(target) if early else target
    document = trigger_document(results, names, calibrations)
    versions = {entry.id: entry for entry in chosen}
    arrays: list[dict[str, Any]] = []
    for row, result in zip(document["classes"], results, strict=True):
        entry = versions[result.method]
        row["history"] = np.round(result.history.astype(float), 5).tolist()
        row["version"] = entry.info.version if entry.info else ""
        row["origin"], row["plugin_sha256"] = entry.origin, entry.sha256
        if result.status == "done":
            row |= _written(session, place, result, arrays)
    if seeds > 1:
        _try_other_seeds(document["classes"], results, versions, search, source, seeds)
    if not early:
        forget_classes(target, results)
        if beside:
            beside.forget()
    lacking = sorted({index for index, _ in asked - {(r.class_index, r.method) for r in results}})
    told = {**document, "arrays": arrays, "ended_early": early, "lacking": lacking}
    if beside is None or beside.told is None:
        return told
    networks = beside.told
    verdict = network_verdict(document["classes"], networks["p_value"], networks["count"])
    return {**told, "shadows": networks if verdict is None else {**networks, "verdict": verdict}}


def found_methods() -> list[MethodEntry]:
    """Return every method: bundled, of installed packages, and dropped into plugin folders."""
    from inspector.triggers.registry import discover_methods

    return discover_methods([places.bundled_plugins(), places.user_plugins()])


def _written(
    session: Session, folder: Path, result: TriggerResult, arrays: list[dict[str, Any]]
) -> dict[str, str]:
    stem = f"{result.class_index}-{result.method}"
    named = {}
    pictures = {part: getattr(result, part) for part in ("mask", "pattern", "delta", "examples")}
    for part, values in {**pictures, **(result.weights or {})}.items():
        if values is not None:
            name = f"trigger:{stem}:{part}"
            arrays.append(write_array(session, name, folder / f"{stem}-{part}.npy", values))
            named[f"{part}_array"] = name
    return named


def _fresh_folder(folder: Path) -> Path:
    """Return a new folder in this one."""
    for number in itertools.count(1):
        place = folder / f"early-{number}"
        if not place.exists():
            place.mkdir()
            return place
    raise AssertionError


def _try_other_seeds(
    rows: list[dict[str, Any]],
    results: list[TriggerResult],
    entries: Mapping[str, MethodEntry],
    search: Search,
    source: int | str | None,
    seeds: int,
) -> None:
    """Search the significant classes again from other seeds, and add how far they agree."""
    from inspector.triggers.sources import of_source
    from inspector.triggers.stability import stability

    again = [
        (row, result)
        for row, result in zip(rows, results, strict=True)
        if row["significant"] and result.status == "done"
    ]
    for at, (row, result) in enumerate(again):
        own = search if source is None else of_source(search, int(result.details["source"]))
        parts = len(again) * (seeds - 1)
        found = [result]
        for more in range(1, seeds):
            control = PartOf(search.control, "seeds", at * (seeds - 1) + more - 1, parts)
            other = replace(
                own, classes=(result.class_index,), seed=own.seed + more, control=control
            )
            found += run_method(entries[result.method], other)
        if search.control.ends_early():
            return
        row["stability"] = stability(found)
