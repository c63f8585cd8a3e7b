"""How the cost of every default detector grows with the samples: run by hand, prints exponents.

``python tests/benchmarks/growth.py [--most 1000000] [--only ID]``. Signals are those of ten classes
drawn at random, with a planted group in one; what counts is how time and memory grow, fitted over
10,000, 100,000 and 1,000,000 samples: 1 is linear.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.detectors import discover, run_detectors

CLASSES, WIDTH = 10, 64


def pictures_of(count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return pictures that differ at large scale, as photographs do and noise does not.

    Of a million pictures of noise, all alike at low frequencies, the search for duplicates takes
    twelve times as long.
    """
    coarse = random.integers(0, 256, (count, 4, 4), np.uint8)
    pictures: NDArray[np.uint8] = coarse.repeat(4, axis=1).repeat(4, axis=2)[..., None]
    return pictures


def signals_of(count: int) -> tuple[dict[str, Any], NDArray[np.int32]]:
    """Return signals of so many samples, and their labels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, count).astype(np.int32)
    centres = 4 * random.standard_normal((CLASSES, WIDTH)).astype(np.float32)
    activations = random.standard_normal((count, WIDTH), dtype=np.float32) + centres[labels]
    activations[(labels == 3) & (random.random(count) < 0.02)] += 3
    logits = activations @ (centres.T / 8)
    layers = random.standard_normal((count, 32), dtype=np.float32)
    return {
        "activations": activations,
        "logits": logits,
        "layer:conv": layers,
        "layers": layers,
        "thumbnails": pictures_of(count, random),
        "pixel_sha256": random.integers(0, 256, (count, 32), np.uint8),
    }, labels


def main() -> None:
    """Print seconds, their exponent, and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    entries = [
        entry
        for entry in discover([], False)
        if entry.info and entry.info.by_default and not entry.info.passes and asked.only in entry.id
    ]
    counts = [count for count in (10_000, 100_000, 1_000_000) if count <= asked.most]
    seconds: dict[str, list[float]] = {entry.id: [] for entry in entries}
    for count in (1000, *counts):  # the first one imports
        signals, labels = signals_of(count)
        for entry in entries:
            begun = time.process_time()
            outcome = run_detectors(
                signals, labels, np.ones(count, np.bool_), list("abcdefghij"), entries=[entry]
            )
            if outcome.findings[entry.id]["status"] == "done" and count >= counts[0]:
                seconds[entry.id].append(time.process_time() - begun)
    for name, spent in seconds.items():
        if len(spent) == len(counts) > 1:
            slope = np.polyfit(np.log(counts), np.log(np.maximum(spent, 1e-3)), 1)[0]
            told = ", ".join(f"{count:,}: {value:.2f} s" for count, value in zip(counts, spent))
            print(f"{name:24s} exponent {slope:.2f}  ({told})")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    held = sum(value.nbytes for value in signals.values()) / 2**30
    print(f"peak memory {peak:.2f} GiB, of which the signals themselves {held:.2f} GiB")


if __name__ == "__main__":
    main()
