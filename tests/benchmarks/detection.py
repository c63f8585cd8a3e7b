"""How well poison is ranked and how honest the error rates are, on beds with known truth.

Run by hand, after `detection_beds.py FOLDER` and `detection_foreign.py FOLDER` made the beds:
``python tests/benchmarks/detection.py FOLDER [--verified 500] [--all]``. For every bed it prints our
combined ranking beside every single detector and beside what the Adversarial Robustness Toolbox
computes: AUROC over the whole dataset, true-positive rate at 1 % false positives, rank of the target
class, verdict, how often the attack succeeds, seconds. With verified samples drawn from each class,
it prints which classes become "high", and the false discovery rate and power of the selection at
10 %; `detection_summary.py` draws them together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detection_summary import Row, summarise
from numpy.typing import NDArray

from inspector.detectors import Entry, Outcome, discover, run_detectors
from inspector.detectors.calibration import SELECTION
from inspector.drill.detectability import auroc, found_at


def toolbox_clusters(bed: dict[str, Any]) -> NDArray[np.float64]:
    """Score as ActivationDefence does: 1 for the smaller of two clusters of a class.

    Ten principal components of the activations, two means, the smaller cluster is poison.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    scores = np.zeros(len(bed["labels"]))
    for label in np.unique(bed["labels"]):
        rows = np.flatnonzero(bed["labels"] == label)
        part = PCA(10, random_state=0).fit_transform(bed["activations"][rows])
        which = KMeans(2, n_init=10, random_state=0).fit_predict(part)
        scores[rows] = which == np.bincount(which, minlength=2).argmin()
    return scores


def standardised(scores: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Put a detector's scores in robust deviations of each class, so that classes compare."""
    from inspector.statistics.tails import robust_distances

    found = np.full(len(scores), np.nan)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & np.isfinite(scores))
        if len(rows):
            found[rows] = robust_distances(np.asarray(scores[rows], np.float64))[0]
    return found


def draw_verified(
    labels: NDArray[Any], truth: NDArray[np.bool_], noisy: NDArray[np.bool_], size: int, seed: int
) -> NDArray[np.int8]:
    """Draw samples of every class and judge them by the truth: 1 clean, 2 of a wrong label."""
    random, codes = np.random.default_rng(seed), np.zeros(len(labels), np.int8)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn = random.permutation(rows)[: min(size, len(rows) // 2)]
        codes[drawn] = np.where(noisy[drawn], 2, 1)
    codes[truth] = 0
    return codes


def run(bed: dict[str, Any], entries: Sequence[Entry], verified: Any = None) -> Outcome:
    """Run detectors on the signals of a bed."""
    names = [str(k) for k in range(bed["logits"].shape[1])]
    signals: dict[str, Any] = {
        name: bed[name]
        for name in bed
        if name in ("logits", "activations", "loss", "predicted", "conv_gradients")
        or name.startswith("layer:")
    }
    layers = [values for name, values in signals.items() if name.startswith("layer:")]
    if layers:
        signals["layers"] = np.concatenate(layers, axis=1)
    everything = np.ones(len(bed["labels"]), np.bool_)
    return run_detectors(
        signals, bed["labels"], everything, names, entries=entries, verified=verified
    )


def target_rank(outcome: Outcome, targets: NDArray[Any]) -> int:
    """Return the best rank of a poisoned class by statistic, 1 = first."""
    heights = [row["statistic"] or 0.0 for row in outcome.classes]
    order = np.argsort(-np.asarray(heights), kind="stable")
    return int(min(np.flatnonzero(np.isin(order, targets)))) + 1


def measured(
    name: str, bed: dict[str, Any], ours: Outcome, tested: Outcome, areas: dict[str, float]
) -> Row:
    """Draw together what a bed showed: which classes are high, and how the selection does."""
    truth, labels = bed["truth"], bed["labels"]
    poisoned = np.unique(labels[truth])
    high = [row["index"] for row in tested.classes if row["verdict"] == "high"]
    right = sum(index in poisoned for index in high)
    chosen = np.nan_to_num(tested.q_value, nan=2.0) <= SELECTION
    open_poison = truth & ~np.isnan(tested.q_value)
    return Row(
        name=name,
        rate=float(truth.mean()),
        success=float(bed["success"]),
        verdict=ours.verdict,
        rank=target_rank(ours, poisoned) if truth.any() else 0,
        areas=areas,
        right=right,
        poisoned=len(poisoned),
        false=len(high) - right,
        discoveries=float((chosen & ~truth).sum() / max(1, chosen.sum())),
        power=float((chosen & truth).sum() / max(1, open_poison.sum())),
        clean_p=tuple(
            row["p_value"]
            for row in tested.classes
            if row["p_value"] is not None and row["index"] not in poisoned
        ),
    )


def main() -> None:
    """Print a row for every bed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verified", type=int, default=500)
    parser.add_argument("--all", action="store_true", help="With detectors no scan runs by itself.")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    found = [e for e in discover([], False) if e.info is not None and not e.info.passes]
    found = [e for e in found if "margin_course" not in e.info.needs]
    entries = [e for e in found if asked.all or e.info.by_default or e.id == "art-spectral"]
    by_default = [e for e in found if e.info.by_default]
    head = [entry.id[:9] for entry in entries]
    print(f"{'bed':28s} rank verdict  area   @1%  ASR  sec |", *(f"{name:>9s}" for name in head),
          f"{'ART-AC':>9s} | high false    FDR  power")  # fmt: skip
    rows: list[Row] = []
    for file in sorted(asked.folder.glob("*.npz")):
        if asked.only not in file.stem:
            continue
        bed = dict(np.load(file, allow_pickle=False))
        truth, labels = bed["truth"], bed["labels"]
        begun = time.process_time()
        ours = run(bed, by_default)
        seconds = time.process_time() - begun
        areas: dict[str, float] = {}
        if truth.any():
            areas["ours"] = auroc(ours.combined, truth)
            for name, found_by in run(bed, entries).findings.items():
                areas[name] = auroc(standardised(found_by["scores"], labels), truth)
            areas["ART-AC"] = auroc(toolbox_clusters(bed), truth)
        tested = run(bed, by_default, draw_verified(labels, truth, bed["wrong"], asked.verified, 1))
        row = measured(file.stem, bed, ours, tested, areas)
        rows.append(row)
        told = f"   - {row.verdict:7s}     -     -"
        if truth.any():
            early = found_at(ours.combined, truth)
            told = f"{row.rank:4d} {row.verdict:7s} {areas['ours']:5.3f} {early:5.2f}"
        print(
            f"{row.name:28s} {told} {row.success:4.2f} {seconds:4.1f} |",
            *(f"{areas.get(name, np.nan):9.3f}" for name in (*(e.id for e in entries), "ART-AC")),
            f"| {row.right}/{row.poisoned} {row.false:5d} {row.discoveries:6.2f} {row.power:6.2f}",
            flush=True,
        )
    names = [name for row in rows for name in row.areas][: len(entries) + 2]
    for what, how in (("median", np.median), ("lowest", np.min)):
        values = {name: [row.areas[name] for row in rows if row.areas] for name in names}
        print(f"{what}: " + ", ".join(f"{name} {how(v):.3f}" for name, v in values.items()))
    print(*summarise(rows), sep="\n")


if __name__ == "__main__":
    main()
