"""Spectral scores beside a full decomposition, and all detectors beside a forward pass.

Run by hand: ``python tests/benchmarks/spectral_scores.py [--rounds 3]``. Ratios are formed in one
run from the fastest round of each. Targets: spectral scores at least 20 × as fast as
`spectral_signature_scores` of adversarial-robustness-toolbox, which is imported where it is
installed and written out here where it is not; all four detectors at most 10 % of a forward pass.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.api import Context
from inspector.detectors import discover, run_detectors
from inspector.detectors.execution import run_detector
from inspector.detectors.spectral import SpectralSignatures
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.signals import machine

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


def ours(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the whole detector, checks and class table included."""
    signals = {"activations": rows, "labels": np.zeros(len(rows), np.int32)}
    return run_detector(SpectralSignatures(), Context(signals, ["all"])).scores


def fastest(work: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest of several rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def rows_like_activations(n: int, d: int) -> NDArray[np.float32]:
    """Return non-negative rows whose spectrum falls like that of a trained network."""
    random = np.random.default_rng(0)
    mixed = random.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.7
    turn = np.linalg.qr(random.standard_normal((d, d)))[0]
    return np.maximum(mixed @ turn * 5 + 0.5, 0).astype(np.float32)


def compare_scores(rounds: int) -> None:
    """Print the seconds of both, and how many times as fast ours is."""
    reference = toolbox()
    name = "toolbox" if reference else "full SVD (toolbox is not installed)"
    print(
        f"{'rows × columns':>16}  {'ours s':>8}  {name} s, ratio, rank agreement of the centred score"
    )
    for n, d in SHAPES:
        rows = rows_like_activations(n, d)
        own = fastest(lambda r=rows: ours(r), rounds)
        other = fastest(lambda r=rows: (reference or by_full_decomposition)(r), min(rounds, 2))
        centred = rows - rows.mean(axis=0)
        exact = by_full_decomposition(centred)
        agreement = np.corrcoef(exact, np.sqrt(ours(rows)))[0, 1]
        print(f"{n:>8} × {d:<5}  {own:8.3f}  {other:8.3f}  {other / own:6.1f} ×  {agreement:.6f}")


def compare_forward(rounds: int) -> None:
    """Print what the detectors cost beside a forward pass over 60,000 small pictures."""
    threads = machine.cores()
    torch.set_num_threads(threads)
    network = PlainCNN(1, 10, 28).eval().requires_grad_(False)
    pictures = torch.rand(60_000, 1, 28, 28)

    def forward() -> None:
        with torch.inference_mode():
            for batch in pictures.split(512):
                network(batch)

    pass_seconds = fastest(forward, min(rounds, 2))
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 60_000).astype(np.int32)
    activations = rows_like_activations(60_000, 128) + labels[:, None].astype(np.float32) % 4
    signals = {"activations": activations, "logits": activations[:, :10].copy()}
    entries = discover(folders=[], entry_points=False)
    everything = np.ones(60_000, np.bool_)
    names = [str(index) for index in range(10)]
    parts: dict[str, float] = {}

    def detect() -> None:
        outcome = run_detectors(signals, labels, everything, names, entries=entries)
        for one, finding in outcome.findings.items():
            parts[one] = min(parts.get(one, np.inf), finding["seconds"])

    whole = fastest(detect, rounds)
    print(f"\nforward pass of 60,000 × 28 × 28 on {threads} threads: {pass_seconds:.2f} s")
    for one, seconds in parts.items():
        print(f"  {one:<24} {seconds:6.3f} s  {seconds / pass_seconds:6.1%}")
    print(f"  {'all, with the ranking':<24} {whole:6.3f} s  {whole / pass_seconds:6.1%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    compare_scores(rounds)
    compare_forward(rounds)


if __name__ == "__main__":
    main()
