"""What opening a large model costs beside reading and hashing its file, in one run.

``uv run python tests/benchmarks/intake.py [GIB]``

Every round reads the file the plain way, then opens it, in turn, so that both meet the same
machine. Times of the processor are given beside those of the clock: they do not depend on what else
runs.
"""

from __future__ import annotations

import gc
import hashlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch

from inspector.intake.models import read_weights

ROUNDS = 5


def write_model(path: Path, gib: float) -> None:
    """Write a safetensors file of random float32 weights in tensors of 16 MiB."""
    generator = torch.Generator().manual_seed(0)
    count = max(int(gib * 64), 1)
    tensors = {
        f"layers.{k}.weight": torch.randn(2048, 2048, generator=generator) for k in range(count)
    }
    safetensors.torch.save_file(tensors, path)


def cost(act: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock and by the processor."""
    gc.collect()
    before, start = os.times(), time.perf_counter()
    act()
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, (after.user - before.user) + (after.system - before.system)


def hash_and_read(path: Path) -> None:
    """Read the file once and hash what was read: the least that an honest opening does."""
    hashlib.sha256(path.read_bytes()).hexdigest()


def library(path: Path) -> None:
    """Read and hash the file, then let the safetensors library make the tensors."""
    content = path.read_bytes()
    hashlib.sha256(content).hexdigest()
    safetensors.torch.load(content)


def main() -> None:
    gib = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        write_model(path, gib)
        acts = {
            "read and hash": lambda: hash_and_read(path),
            "open (ours)": lambda: read_weights(path),
            "read, hash, library": lambda: library(path),
        }
        hash_and_read(path)  # once, so that the file lies in the page cache
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in acts}
        for _ in range(ROUNDS):
            for name, act in acts.items():
                measured[name].append(cost(act))
        best = {
            name: [min(round_[kind] for round_ in rounds) for kind in (0, 1)]
            for name, rounds in measured.items()
        }
        plain = best["read and hash"]
        size = path.stat().st_size
        print(f"safetensors file of {size:,} bytes, best of {ROUNDS} rounds in turn")
        for name, (clock, processor) in best.items():
            print(
                f"{name:<22}{clock:7.2f} s {clock / plain[0]:6.2f} x"
                f"   processor {processor:7.2f} s {processor / plain[1]:6.2f} x"
            )
        read_weights(path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(f"peak memory of this run {peak / size:.2f} x the file (the library's copy included)")


if __name__ == "__main__":
    main()
