"""Spectral scores beside a full decomposition, and all detectors beside a forward pass.

Run by hand: ``python tests/benchmarks/spectral_scores.py [--rounds 3]``. Ratios are formed in one
run from the fastest round of each. Targets: spectral scores at least 20 × as fast as
`spectral_signature_scores` of adversarial-robustness-toolbox, which is imported where it is
installed and written out here where it is not; the four spectral and clustering detectors at most
10 % of a forward pass, everything that runs by default at most 25 %.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.detectors import discover, run_detectors
from inspector.detectors.registry import Entry
from inspector.intake.models import Preprocess
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.signals import machine
from inspector.statistics.spectra import spectral_projections

BATCHES = (32, 256)
FOUR = ("spectral", "spectral-whitened", "spectral-gradient", "activation-clustering")
SHAPES = ((6000, 128), (60_000, 128), (5000, 512), (5000, 2048))


def by_full_decomposition(rows: NDArray[np.float32]) -> NDArray[Any]:
    """Score as the toolbox does: singular vectors of the centred rows, projected uncentred."""
    _, _, vectors = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return np.linalg.norm(rows @ vectors[:1].T, axis=1)


def toolbox() -> Callable[[NDArray[np.float32]], NDArray[Any]] | None:
    """Return the toolbox's own function, where it is installed."""
    try:
        from art.defences.detector.poison import SpectralSignatureDefense
    except ImportError:
        return None
    return SpectralSignatureDefense.spectral_signature_scores


def ours(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score as the detector does, class by class."""
    return spectral_projections(rows)[0] ** 2


def fastest(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the wall and the processor seconds of the fastest of several rounds.

    Processor seconds are what to look at on a machine that others use too.
    """
    wall, processor = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(wall), min(processor)


def rows_like_activations(n: int, d: int) -> NDArray[np.float32]:
    """Return non-negative rows whose spectrum falls like that of a trained network."""
    random = np.random.default_rng(0)
    mixed = random.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.7
    turn = np.linalg.qr(random.standard_normal((d, d)))[0]
    return np.maximum(mixed @ turn * 5 + 0.5, 0).astype(np.float32)


def compare_scores(rounds: int) -> None:
    """Print the seconds of both, and how many times as fast ours is."""
    reference = toolbox()
    print(f"Compared with {'the toolbox' if reference else 'a full SVD; no toolbox is installed'}")
    print(
        f"{'rows × columns':>16}  {'ours s':>8}  {'theirs s':>8}  wall ratio  processor ratio  same"
    )
    for n, d in SHAPES:
        rows = rows_like_activations(n, d)
        own = fastest(lambda r=rows: ours(r), 4 * rounds)
        other = fastest(lambda r=rows: (reference or by_full_decomposition)(r), min(rounds, 2))
        exact = by_full_decomposition(rows - rows.mean(axis=0))
        agreement = np.corrcoef(exact, np.sqrt(ours(rows)))[0, 1]
        print(
            f"{n:>8} × {d:<5}  {own[0]:8.4f}  {other[0]:8.3f}  {other[0] / own[0]:8.1f} ×"
            f"  {other[1] / own[1]:13.1f} ×  {agreement:.6f}"
        )


def compare_forward(rounds: int) -> None:
    """Print what the detectors cost beside a forward pass over 60,000 small pictures."""
    threads = machine.cores()
    torch.set_num_threads(threads)
    network = PlainCNN(1, 10, 28).eval().requires_grad_(False)
    pictures = np.random.default_rng(1).integers(0, 256, (60_000, 28, 28, 1), np.uint8)
    preprocess = Preprocess("L", (28, 28), (0.2860,), (0.3530,))

    def forward(size: int) -> None:
        with torch.inference_mode():
            for start in range(0, len(pictures), size):
                network(preprocess(pictures[start : start + size]))

    # The loop that tests/benchmarks/signals.py compares with; a slow one would flatter detectors.
    full = min(fastest(lambda s=size: forward(s), min(rounds, 2)) for size in BATCHES)
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 60_000).astype(np.int32)
    activations = rows_like_activations(60_000, 128) + labels[:, None].astype(np.float32) % 4
    signals = {"activations": activations, "logits": activations[:, :10].copy()}
    signals["thumbnails"] = pictures
    entries = [
        entry
        for entry in discover(folders=[], entry_points=False)
        if entry.info is not None and entry.info.by_default
    ]
    everything = np.ones(60_000, np.bool_)
    names = [str(index) for index in range(10)]
    parts: dict[str, float] = {}

    def detect(chosen: list[Entry]) -> None:
        outcome = run_detectors(signals, labels, everything, names, entries=chosen)
        for one, finding in outcome.findings.items():
            parts[one] = min(parts.get(one, np.inf), finding["seconds"])

    four = [entry for entry in entries if entry.id in FOUR]
    of_four = fastest(lambda: detect(four), rounds)
    whole = fastest(lambda: detect(entries), rounds)
    print(f"\nforward pass over 60,000 × 28 × 28, {threads} threads: {full[0]:.2f} s wall")
    for one, seconds in parts.items():
        print(f"  {one:<24} {seconds:6.3f} s  {seconds / full[0]:6.1%}")
    for name, (wall, busy) in (("the four", of_four), ("all by default", whole)):
        print(
            f"  {name + ', with ranking':<28} {wall:6.3f} s  {wall / full[0]:6.1%}"
            f" (of processor seconds {busy / full[1]:.1%})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    compare_scores(rounds)
    compare_forward(rounds)


if __name__ == "__main__":
    main()
