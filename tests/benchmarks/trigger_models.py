"""How well trigger searches tell networks with a backdoor, beside Neural Cleanse as published.

Run by hand: ``python tests/benchmarks/trigger_models.py FOLDER [--minutes M] [--no-published]
[--sources]``. What lies in FOLDER is not made again, so that it can be run in pieces. Every network is
searched as `inspector trigger` does by default, on pictures that nobody learned from, and judged three
ways: by its own classes; beside 19 shadow networks, all methods together (``--shadows 19``); and, with
``--sources``, beside them in a search from each source class (``--source each --shadows 19``). At the
end: the area under the ROC curve of each network's height, false alarms, and how often the target is
named. A height is the largest anomaly in units of its threshold, or the largest deviation in units of
the largest that any shadow has. Networks without a backdoor that were trained otherwise than their
shadows are counted apart. The published search (`plain_neural_cleanse.py`, with its rule "anomaly above
2" on raw sizes) gets the same networks and the same pictures, ``--cap`` rounds of 1,000 pictures per
class at most, as far as the time goes, by turns with and without a backdoor. A backdoor that works on
fewer than half of the held-out pictures is no backdoor; those networks are listed and counted in
neither group.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from detection_data import Labels, Pixels
from numpy.typing import NDArray
from plain_neural_cleanse import outliers, reconstruct
from trigger_beds import (
    ATTACKS,
    RECIPES,
    SHADOW,
    Bed,
    beds,
    make_missing,
    of_other_recipes,
    reference,
    shadows_of,
    taken,
)

from inspector.drill.detectability import auroc
from inspector.engine.jobs.trigger_classes import search_classes
from inspector.signals import machine
from inspector.triggers import chosen_methods, discover_methods, prepare_search
from inspector.triggers.anomaly import FALSE_ALARMS, SIZE_NOISE, standing
from inspector.triggers.calibrating import calibrate
from inspector.triggers.document import CLEAR
from inspector.triggers.screening import SCREENS

WORKS = 0.5
NEURAL_CLEANSE, MAXIMUM_MARGIN = "neural-cleanse", "maximum-margin"
METHODS = (*SCREENS, NEURAL_CLEANSE)
RUNG = 80
CLASSES = 10

Looks = dict[str, list[float]]
Pictures = tuple[Pixels, Labels]


@dataclass
class Judged:
    """What one way of judging says of a network."""

    height: float
    named: list[int]
    verdict: bool = False


def looks(bed: Bed, folder: Path, pictures: Pictures, source: str | None = None) -> Looks:
    """Return by method how suspicious each class is, where `inspector trigger` compares them."""
    model = taken(bed, folder)[0]
    found: Looks = {}
    with machine.memory_kept_at_hand(), tempfile.TemporaryDirectory() as place:
        for entry in chosen_methods(
            METHODS if source is None else (METHODS[-1],), discover_methods()
        ):
            steps = RUNG if entry.id == NEURAL_CLEANSE else None
            search = prepare_search(model, *pictures, range(CLASSES), steps=steps)
            results = search_classes([entry], replace(search, quick=True), Path(place), source)
            found[entry.id] = [float(one.compared[0]) for one in results]
            found[f"{entry.id} noise"] = [max([0.0, *chain(*(one.noise for one in results))])]
    return found


def published(bed: Bed, folder: Path, pictures: Pictures, cap: int) -> dict[str, Any]:
    """Search as the authors do."""
    model = taken(bed, folder)[0]
    pixels = model.preprocess(pictures[0])
    found = [reconstruct(model.network, pixels, k, cap) for k in range(model.num_classes)]
    return {
        "index": outliers(np.array([one.size for one in found])).tolist(),
        "rounds": sum(one.rounds for one in found),
        "ended": sum(one.ended for one in found),
        "processor": sum(one.processor for one in found),
    }


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file holds, made first if need be."""
    if not path.exists():
        path.write_text(json.dumps(make()))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


# ---- ways to judge --------------------------------------------------------------------------------


def alone(found: Looks) -> Judged:
    """Judge the classes of a network among themselves; the verdict is "medium" or none."""
    named: set[int] = set()
    height, verdict = -math.inf, False
    for name in METHODS:
        noise = SIZE_NOISE if name == NEURAL_CLEANSE else found[f"{name} noise"][0]
        anomaly = standing(found[name], noise, len(METHODS))
        named |= set(np.flatnonzero(anomaly.p_value <= FALSE_ALARMS).tolist())
        # Maximum margin alone has no trigger to show.
        verdict |= name != MAXIMUM_MARGIN and bool((anomaly.p_value <= CLEAR).any())
        if not np.isnan(anomaly.index).all():
            height = max(height, float(np.nanmax(anomaly.index)) / anomaly.threshold)
    return Judged(height, sorted(named), verdict)


def beside(found: Looks, shadows: Sequence[Looks], methods: Sequence[str] = METHODS) -> Judged:
    """Judge a network beside its shadows, in some methods together."""
    found_beside = calibrate(
        {name: found[name] for name in methods},
        {name: [one[name] for one in shadows] for name in methods},
    )
    named: set[int] = set()
    height = 0.0
    for one in found_beside.values():
        named |= set(np.flatnonzero(one.family_p_value <= FALSE_ALARMS).tolist())
        if not np.isnan(one.deviation).all():
            height = max(height, float(np.nanmax(one.deviation)) / one.threshold)
    return Judged(height, sorted(named), bool(named))


def by_the_rule(found: dict[str, Any]) -> Judged:
    """Judge as the authors do."""
    index = np.array(found["index"])
    named = np.flatnonzero(index > 2).tolist()
    return Judged(float(index.max()), named, bool(named))


# ---- the whole ------------------------------------------------------------------------------------


def summarise(name: str, found: list[tuple[Bed, Judged]]) -> None:
    """Print the area, false alarms and targets that were named."""
    known = [pair for pair in found if pair[0].targets or pair[0].attack == "clean"]
    bad = np.array([bool(bed.targets) for bed, _ in known])
    heights: NDArray[np.float64] = np.array([one.height for _, one in known])
    hits = sum(bool(set(one.named) & set(bed.targets)) for bed, one in known)
    wrong = sum(bool(set(one.named) - set(bed.targets)) for bed, one in known if bed.targets)
    alarms = [one for bed, one in known if not bed.targets]
    others = [one for bed, one in found if bed.attack in RECIPES]
    roc = auroc(heights, bad) if bad.any() and not bad.all() else math.nan
    print(
        f"{name:>34}: AUROC {roc:.3f}; target named in {hits} of {bad.sum()} ({wrong} with another "
        f"class); false alarms {sum(bool(one.named) for one in alarms)} of {len(alarms)} (medium "
        f"{sum(one.verdict for one in alarms)}); other recipes "
        f"{sum(bool(one.named) for one in others)} of {len(others)}"
    )


def in_turns(wanted: Sequence[Bed]) -> list[Bed]:
    """Return networks with and without a backdoor by turns, and every dataset early."""
    parts = [
        [bed for bed in wanted if bed.data == data and bool(bed.targets) == bad]
        for data in ATTACKS
        for bad in (True, False)
    ]
    return [bed for row in zip_longest(*parts) for bed in row if bed is not None]


def main() -> None:
    """Measure what is missing and print what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--cap", type=int, default=40)
    parser.add_argument("--no-published", action="store_true")
    parser.add_argument("--sources", action="store_true")
    asked = parser.parse_args()
    folder, until = asked.folder, time.monotonic() + 60 * asked.minutes
    suspects = [*beds(), *of_other_recipes()]
    every = [*suspects, *(bed for data in ATTACKS for bed in shadows_of(data))]
    complete = make_missing(every, folder, until)
    pictures = {data: reference(data) for data in ATTACKS}
    idle, at_hand = [], []
    for bed in every if complete else []:
        success = taken(bed, folder)[3]["success"]
        if bed.targets and max(success) < WORKS:
            idle.append(f"{bed.name} ({success[0]:.2f})")
        else:
            at_hand.append(bed)
    tables: dict[str, dict[str, Looks]] = {"looks": {}}
    if asked.sources:
        tables["sources"] = {}
    for word, table in tables.items():
        source = "each" if word == "sources" else None
        # As long as it takes, networks of other recipes are not searched from each source.
        for bed in (one for one in at_hand if source is None or one.attack not in RECIPES):
            file = folder / f"{bed.name}.{word}.json"
            if time.monotonic() > until and not file.exists():
                complete = False
                break
            table[bed.name] = kept(
                file, lambda b=bed, s=source: looks(b, folder, pictures[b.data], s)
            )
    if not complete:
        print("Not all yet: run it again.")
        return
    ways: dict[str, list[tuple[Bed, Judged]]] = {}
    for bed in (one for one in at_hand if one.attack != SHADOW):
        found = tables["looks"][bed.name]
        shadows = [tables["looks"][one.name] for one in shadows_of(bed.data)]
        judged = {"its own classes": alone(found), "beside shadows": beside(found, shadows)}
        for name in METHODS:
            judged[f"beside shadows, {name}"] = beside(found, shadows, [name])
        if asked.sources and bed.name in tables["sources"]:
            known = [tables["sources"][one.name] for one in shadows_of(bed.data)]
            mine = tables["sources"][bed.name]
            judged["beside shadows, each source"] = beside(mine, known, [NEURAL_CLEANSE])
        for name, one in judged.items():
            ways.setdefault(name, []).append((bed, one))
        line = "; ".join(
            f"{name} {one.height:.2f} {one.named}"
            for name, one in judged.items()
            if not name.endswith(METHODS)
        )
        print(f"{bed.name:24s} {line}", flush=True)
    for bed in in_turns([one for one in at_hand if one in beds()]):
        file = folder / f"{bed.name}.published.json"
        if file.exists() or (not asked.no_published and time.monotonic() < until):
            theirs = kept(file, lambda b=bed: published(b, folder, pictures[b.data], asked.cap))
            ways.setdefault("Neural Cleanse as published", []).append((bed, by_the_rule(theirs)))
    print("\nNo backdoor, for it does not work: " + (", ".join(idle) or "none"))
    for name, found_all in ways.items():
        summarise(name, found_all)
    compared = {bed.name for bed, _ in ways.get("Neural Cleanse as published", [])}
    for name in ("its own classes", "beside shadows"):
        summarise(f"{name}, those too", [one for one in ways[name] if one[0].name in compared])


if __name__ == "__main__":
    main()
