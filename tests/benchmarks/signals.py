"""What one pass of signals costs beside bare forward loops over the same decoded batches.

Run by hand: ``python tests/benchmarks/signals.py [--rounds 3]``. Ratios are formed in one run, from
the fastest round of each: target at most 1.15 × the bare loop, and at most 1.5 GiB of memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from inspector.intake.datasets import open_dataset
from inspector.intake.models import Candidate, Preprocess, SuspectModel
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.signals import compute_signals, machine

DATA = Path(
    os.environ.get("INSPECTOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
BATCHES = (32, 256)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def peak() -> float:
    """Return the largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    dataset = open_dataset(DATA / "fashion-mnist")
    images = dataset.decode_batch(range(len(dataset)))
    torch.manual_seed(0)
    threads = machine.cores()
    with tempfile.TemporaryDirectory() as folder:
        network = PlainCNN(1, 10, 28).eval().requires_grad_(False)
        preprocess = Preprocess("L", (28, 28), (0.2860,), (0.3530,))
        model = SuspectModel(
            network=network,
            architecture="plain_cnn",
            family="builtin",
            num_classes=10,
            in_channels=1,
            preprocess=preprocess,
            accuracy=None,
            accuracy_sample=0,
            tried=[],
            head="fc2",
            layers=[name for name, _ in network.named_modules() if name],
            sha256="0" * 64,
            notes=[],
            doubt="",
            operations=0.0,
            candidate=Candidate("builtin", "plain_cnn", "PlainCNN", {}),
        )

        def bare(size: int, count: int) -> None:
            with machine.torch_threads(count), torch.inference_mode():
                for start in range(0, len(images), size):
                    network(preprocess(images[start : start + size]))

        def tuned() -> None:
            network.to(memory_format=torch.channels_last)
            with machine.memory_kept_at_hand():
                bare(32, threads)
            network.to(memory_format=torch.contiguous_format)

        before = peak()
        counter = iter(range(1000))
        works: dict[str, Callable[[], object]] = {
            f"bare loop, batches of {size}, {count} threads": lambda s=size, c=count: bare(s, c)
            for count in sorted({1, threads})
            for size in BATCHES
        }
        works["bare loop, tuned as the signals are"] = tuned
        works["signals"] = lambda: compute_signals(model, dataset, Path(folder, str(next(counter))))
        works["signals with layers"] = lambda: compute_signals(
            model, dataset, Path(folder, str(next(counter))), layers=("auto",)
        )
        works["signals with gradient directions"] = lambda: compute_signals(
            model, dataset, Path(folder, str(next(counter))), conv_sketch=512
        )
        best: dict[str, tuple[float, float]] = {}
        for _ in range(rounds):
            for name, work in works.items():
                now = timed(work)
                best[name] = min(now, best.get(name, now))
        after = peak()
    print(f"{len(images):,} images {images.shape[1:]}, {model.architecture}, {threads} threads")
    for name, (wall, cpu) in best.items():
        print(f"{name:42s} {wall:7.2f} s wall {cpu:7.2f} s processor")
    ours = {name: best.pop(name) for name in list(best) if name.startswith("signals")}
    for what, (wall, cpu) in ours.items():
        for name in best:
            ratio, busy = wall / best[name][0], cpu / best[name][1]
            print(f"{what} / {name:42s} {ratio:5.2f} wall {busy:5.2f} processor")
    print(f"peak memory {after:,.0f} MiB, {after - before:,.0f} above what loading had taken")


if __name__ == "__main__":
    main()
