"""Whether the power map tells what fresh attacks do: predicted against measured power.

Run by hand, after `detection_beds.py FOLDER` made the beds: ``python tests/benchmarks/limits.py
FOLDER [--verified 200] [--runs 10] [--only PART]``. A bed is a fresh attack: a network that learned
planted poison. Its power is how many random audits make the target class significant, with every
detector of a plain scan. The prediction plants groups of the same share, at the distance where the
poison lies, in the network of the same seed that learned clean data.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from detection import run

from inspector.detectors import discover
from inspector.detectors.calibration import LEVEL
from inspector.detectors.canaries import CANARIES, distance_of
from inspector.detectors.limits import power_map


def measured(bed: dict[str, Any], target: int, verified: int, runs: int) -> float:
    """Return how many of some random audits made the target significant."""
    entries = [e for e in discover([], False) if e.info and e.info.by_default and not e.info.passes]
    clean = np.flatnonzero((bed["labels"] == target) & ~bed["truth"])
    hits = 0
    for seed in range(runs):
        codes = np.zeros(len(bed["labels"]), np.int8)
        drawn = np.random.default_rng(seed).permutation(clean)[:verified]
        codes[drawn] = 1
        row = run(bed, entries, codes).classes[target]
        hits += (row["p_value"] or 1.0) <= LEVEL
    return hits / runs


def main() -> None:
    """Print a row for every bed with poison in one class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verified", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", default="fashion")
    asked = parser.parse_args()
    print(f"{'bed':24s} share    δ  ASR  power |", *(f"{name:>9s}" for name in CANARIES))
    misses: dict[str, list[float]] = {name: [] for name in CANARIES}
    for file in sorted(asked.folder.glob(f"*{asked.only}*.npz")):
        bed = dict(np.load(file, allow_pickle=False))
        poisoned = np.unique(bed["labels"][bed["truth"]])
        data, seed = file.stem.split("-")[0], file.stem.split("-")[-1]
        beside = asked.folder / f"{data}-clean-{seed}.npz"
        if len(poisoned) != 1 or not beside.exists():
            continue
        target = int(poisoned[0])
        own = bed["labels"] == target
        share = float(bed["truth"][own].mean())
        values = bed["activations"]
        far = distance_of(values[bed["truth"]], values[own & ~bed["truth"]])
        power = measured(bed, target, asked.verified, asked.runs)
        clean = np.load(beside, allow_pickle=False)
        told = []
        for canary in CANARIES:
            found = power_map(
                {"activations": clean["activations"], "logits": clean["logits"]},
                clean["labels"],
                [str(k) for k in range(clean["logits"].shape[1])],
                target,
                canary=canary,
                verified=asked.verified,
                runs=asked.runs,
                shares=(share,),
                distances=(far,),
            )
            told.append(found.cells[0].hits / asked.runs)
            misses[canary].append(abs(told[-1] - power))
        print(
            f"{file.stem:24s} {share:.3f} {far:4.1f} {bed['success']:4.2f}  {power:4.2f} |",
            *(f"{value:9.2f}" for value in told),
            flush=True,
        )
    for canary, gaps in misses.items():
        within = np.mean(np.asarray(gaps) <= 0.15)
        print(f"{canary}: mean difference {np.mean(gaps):.2f}, within 0.15 in {within:.0%} of beds")


if __name__ == "__main__":
    main()
