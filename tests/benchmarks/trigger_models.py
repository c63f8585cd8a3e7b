"""How well trigger searches tell networks with a backdoor, beside Neural Cleanse as published.

Run by hand: ``python tests/benchmarks/trigger_models.py FOLDER [--minutes M] [--no-published]``. What
lies in FOLDER is not made again, so that it can be run in pieces; at the end it prints one line per
network and, over all, the area under the ROC curve of the largest anomaly of each network, false
alarms, and how often the target is named. The published search (`plain_neural_cleanse.py`, with its
rule "anomaly above 2" on raw sizes) gets the same networks and the same pictures, ``--cap`` rounds of
1,000 pictures per class at most. A backdoor that works on fewer than half of the held-out pictures is
no backdoor; those networks are listed and counted in neither group.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detection import area
from plain_neural_cleanse import outliers, reconstruct
from trigger_beds import Bed, beds, make_missing, taken

from inspector.engine.jobs.trigger_classes import search_classes
from inspector.signals import machine
from inspector.triggers import chosen_methods, discover_methods, prepare_search, trigger_document
from inspector.triggers.screening import SCREENS

WORKS = 0.5
METHODS = (*SCREENS, "neural-cleanse")


def ours(bed: Bed, folder: Path) -> dict[str, Any]:
    """Search as `inspector trigger` does by default."""
    model, images, labels, _ = taken(bed, folder)
    begun, used = time.perf_counter(), time.process_time()
    with machine.memory_kept_at_hand(), tempfile.TemporaryDirectory() as place:
        search = prepare_search(model, images, labels, range(model.num_classes))
        entries = chosen_methods(METHODS, discover_methods())
        results = search_classes(entries, search, Path(place), None, screened=True)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    document = trigger_document(results, [str(k) for k in range(model.num_classes)])
    kept = (
        "index",
        "method",
        "anomaly",
        "threshold",
        "p_value",
        "significant",
        "verdict",
        "mask_l1",
    )
    rows = [
        {
            **{key: row[key] for key in kept},
            "success": row["success_rate"],
            "steps": row["steps"],
            "rung": (row.get("screening") or {}).get("mask_l1"),
        }
        for row in document["classes"]
    ]
    return {"rows": rows, "verdict": document["verdict"], "seconds": seconds, "processor": used}


def published(bed: Bed, folder: Path, cap: int) -> dict[str, Any]:
    """Search as the authors do."""
    model, images, _, _ = taken(bed, folder)
    pixels = model.preprocess(images)
    found = [reconstruct(model.network, pixels, k, cap) for k in range(model.num_classes)]
    sizes = [one.size for one in found]
    return {
        "sizes": sizes,
        "index": outliers(np.array(sizes)).tolist(),
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


def height(rows: Sequence[dict[str, Any]], methods: Sequence[str]) -> float:
    """Return the largest anomaly of a network, in units of its method's threshold."""
    found = [row for row in rows if row["method"] in methods and row["anomaly"] is not None]
    return max((row["anomaly"] / row["threshold"] for row in found), default=0.0)


def named(rows: Sequence[dict[str, Any]], methods: Sequence[str]) -> list[int]:
    """Return the classes that are significant."""
    return sorted({row["index"] for row in rows if row["significant"] and row["method"] in methods})


def summarise(found: list[tuple[Bed, dict[str, Any], dict[str, Any], dict[str, Any]]]) -> None:
    """Print the areas, false alarms and targets that were named."""
    bad = np.array([bool(bed.targets) for bed, *_ in found])
    columns: dict[str, tuple[list[float], list[list[int]]]] = {}
    for name, methods in {"default": METHODS, **{one: (one,) for one in METHODS}}.items():
        columns[name] = (
            [height(mine["rows"], methods) for _, _, mine, _ in found],
            [named(mine["rows"], methods) for _, _, mine, _ in found],
        )
    if all(theirs for *_, theirs in found):
        columns["published"] = (
            [max(theirs["index"]) for *_, theirs in found],
            [[k for k, value in enumerate(t["index"]) if value > 2] for *_, t in found],
        )
    print(f"\n{bad.sum()} networks with a backdoor, {(~bad).sum()} without")
    for name, (heights, accused) in columns.items():
        alarms = sum(bool(those) for those, is_bad in zip(accused, bad) if not is_bad)
        hits = sum(bool(set(those) & set(bed.targets)) for those, (bed, *_) in zip(accused, found))
        wrong = sum(
            bool(set(those) - set(bed.targets))
            for those, (bed, *_), is_bad in zip(accused, found, bad)
            if is_bad
        )
        print(
            f"{name:>22}: AUROC {area(np.array(heights), bad):.3f}; target named in {hits} of "
            f"{bad.sum()} ({wrong} with another class); false alarms {alarms} of {(~bad).sum()}"
        )
    for word, at in (("ours", 2), ("published", 3)):
        used = [one[at]["processor"] for one in found if one[at]]
        print(f"{word}: {sum(used):.0f} processor seconds, median {np.median(used or [0]):.1f}")


def main() -> None:
    """Measure what is missing and print what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--cap", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-published", action="store_true")
    parser.add_argument("--tag", default="ours", help="name under which our results are kept")
    asked = parser.parse_args()
    until = time.monotonic() + 60 * asked.minutes
    wanted = [bed for bed in beds() if asked.only in bed.name]
    complete = make_missing(wanted, asked.folder, until)
    found, idle = [], []
    for bed in wanted:
        files = [asked.folder / f"{bed.name}.{word}.json" for word in (asked.tag, "published")]
        needed = files[:1] if asked.no_published else files
        if time.monotonic() > until and not all(file.exists() for file in needed):
            complete = False
            continue
        told = taken(bed, asked.folder)[3]
        if bed.targets and max(told["success"]) < WORKS:
            idle.append(f"{bed.name} ({told['success'][0]:.2f})")
            continue
        mine = kept(files[0], lambda bed=bed: ours(bed, asked.folder))
        theirs: dict[str, Any] = {}
        if not asked.no_published:
            theirs = kept(files[1], lambda bed=bed: published(bed, asked.folder, asked.cap))
        found.append((bed, told, mine, theirs))
        best = {
            method[:7]: max(
                (row["anomaly"] or -9, row["index"])
                for row in mine["rows"]
                if row["method"] == method
            )
            for method in METHODS
        }
        print(
            f"{bed.name:30s} works {told['success']} | {mine['verdict']:6s} "
            f"{named(mine['rows'], METHODS)} "
            + " ".join(f"{m} {k}:{v:.1f}" for m, (v, k) in best.items())
            + (
                f" | published {int(np.argmax(theirs['index']))}:{max(theirs['index']):.1f}"
                if theirs
                else ""
            ),
            flush=True,
        )
    if not complete:
        print("Not all yet: run it again.")
        return
    print("\nNo backdoor, for it does not work: " + (", ".join(idle) or "none"))
    summarise(found)


if __name__ == "__main__":
    main()
