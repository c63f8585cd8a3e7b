"""Processor time to triggers for all classes, beside Neural Cleanse as published.

Run by hand: ``python tests/benchmarks/triggers.py FOLDER [--bed foreign|signs] [--cap ROUNDS]
[--minutes M]``. Same network, same pictures, same machine. "foreign" is a backdoored network of ten
classes that others trained (Zeng and others 2022), "signs" a small one of 43, trained here on traffic
signs. We search as ``inspector trigger`` does by default: screens, an early comparison of all classes,
and those that stand out to the end.

Any mask that is large enough turns 99 of 100 pictures after a minute, so equal success means little
without equal size: the published search (`plain_neural_cleanse.py`) of a class ends once its mask is no
larger than ours and turns as many, or by its own rule, or after ``--cap`` rounds of 1,000 pictures;
where the cap ended it, the ratio is a lower bound. What lies in FOLDER is not made again. Targets:
5 × for 10 classes, 10 × for 43.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detection_data import Labels, Pixels, cifar, data_folder
from detection_foreign import BACKDOORED, opened
from plain_neural_cleanse import reconstruct
from trigger_beds import make_missing, of_signs, taken
from trigger_models import METHODS

from inspector.engine.jobs.trigger_classes import search_classes
from inspector.signals import machine
from inspector.triggers import chosen_methods, discover_methods, prepare_search, trigger_document
from inspector.triggers.pictures import Suspect

FOREIGN, SIGNS = "foreign", "signs"


def subject(bed: str, folder: Path) -> tuple[Suspect, Pixels, Labels]:
    """Return a network and the pictures of its searches."""
    if bed == SIGNS:
        (wanted, _) = of_signs()
        make_missing([wanted], folder, float("inf"))
        return taken(wanted, folder)[:3]
    images, labels = cifar(1000)
    weights = data_folder() / "third_party" / "i-bau" / BACKDOORED["badnets"][0]
    return opened(weights, images, labels), images, labels


def ours(model: Suspect, images: Pixels, labels: Labels) -> dict[str, Any]:
    """Search all classes by default."""
    used = time.process_time()
    with machine.memory_kept_at_hand(), tempfile.TemporaryDirectory() as place:
        search = prepare_search(model, images, labels, range(model.num_classes))
        entries = chosen_methods(METHODS, discover_methods())
        results = search_classes(entries, search, Path(place), None, screened=True)
    used = time.process_time() - used
    document = trigger_document(results, [str(k) for k in range(model.num_classes)])
    rows = [row for row in document["classes"] if row["method"] == METHODS[-1]]
    return {
        "processor": used,
        "sizes": [row["mask_l1"] if row["reached"] else None for row in rows],
        "success": [row["success_rate"] for row in rows],
        "significant": [row["index"] for row in rows if row["significant"]],
        "to the end": [row["index"] for row in rows if row["screening"]["kept"]],
    }


def success_of(
    model: Suspect, pixels: torch.Tensor, labels: Labels, found: Any, target: int
) -> float:
    """Return the share of pictures of other classes that a mask and pattern turn."""
    some = pixels[torch.from_numpy(labels != target)][:500]
    mask, pattern = torch.from_numpy(found.mask), torch.from_numpy(found.pattern)
    with torch.inference_mode():
        answers = model.network(model.preprocess.normalise((1 - mask) * some + mask * pattern))
    return float((answers.argmax(1) == target).float().mean())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bed", choices=(FOREIGN, SIGNS), default=FOREIGN)
    parser.add_argument("--cap", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    # The first optimiser of a process imports torch's compiler: two seconds that are nobody's search.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    until = time.monotonic() + 60 * asked.minutes
    model, images, labels = subject(asked.bed, asked.folder)
    pixels = torch.from_numpy(model.preprocess.undo(model.preprocess(images)))
    pixels = pixels.permute(0, 3, 1, 2).float() / 255
    file = asked.folder / f"time-{asked.bed}.json"
    told: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if "ours" not in told:
        told["ours"] = ours(model, images, labels)
        file.write_text(json.dumps(told))
    mine, theirs = told["ours"], told.setdefault("published", {})
    print(f"ours: {mine['processor']:.1f} s for {model.num_classes} classes; ", end="")
    print(f"significant {mine['significant']}, to the end {mine['to the end']}", flush=True)
    for target in range(model.num_classes):
        if str(target) in theirs:
            continue
        if time.monotonic() > until:
            print("Not all yet: run it again.")
            return
        found = reconstruct(
            lambda x: model.network(model.preprocess.normalise(x)),
            pixels,
            target,
            asked.cap,
            until=mine["sizes"][target] or 0.0,
        )
        theirs[str(target)] = {
            "processor": found.processor,
            "size": found.size if np.isfinite(found.size) else None,
            "success": success_of(model, pixels, labels, found, target),
            "rounds": found.rounds,
            "ended": found.ended,
        }
        file.write_text(json.dumps(told))
        print(f"class {target}: ours {mine['sizes'][target]} px, published {theirs[str(target)]}")
    every = list(theirs.values())
    used, cut = sum(row["processor"] for row in every), sum(not row["ended"] for row in every)
    for name, sizes, rates in (
        ("ours", mine["sizes"], mine["success"]),
        ("published", [row["size"] for row in every], [row["success"] for row in every]),
    ):
        print(
            f"{name:>10}: success {np.nanmin(rates):.3f} to {np.nanmax(rates):.3f}, median mask "
            f"{np.nanmedian(np.array(sizes, float)):.1f} px"
        )
    print(
        f"{model.num_classes} classes: ours {mine['processor']:.1f} s, published {used:.1f} s; "
        f"ratio {used / mine['processor']:.1f} ×"
        + (f" (at least: {cut} were cut off)" if cut else "")
    )


if __name__ == "__main__":
    main()
