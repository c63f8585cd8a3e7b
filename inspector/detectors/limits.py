"""What this pipeline would have seen: groups planted in signals, found or not found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.detectors.calibration import LEVEL, SELECTION
from inspector.detectors.canaries import CANARIES, Canary, Grounds, Plant, grounds_of, planter
from inspector.detectors.registry import checked_for, discover
from inspector.detectors.runner import run_detectors
from inspector.errors import BadInput
from inspector.statistics.frontiers import (
    distance_interval,
    half_power,
    impossible_below,
    spectral_frontier,
)
from inspector.statistics.permutation import smallest_significant_group
from inspector.statistics.prevalence import clopper_pearson

STAGE = "Limits"

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
DISTANCES = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

_OTHERS = 300
"""Members of each other class that stand beside the class under study, for whitening."""

_COLUMNS = (
    "spectral",
    "spectral-whitened",
    "spectral-gradient",
    "activation-clustering",
    "quantum-entropy",
    "low-loss",
)
"""Detectors of a plain scan that see what can be moved: activations, and answers with them.

The layer sweep looks at earlier layers, where nothing is planted: it could only not find the group.
"""


@dataclass(frozen=True)
class Cell:
    """One share and one distance: how often the group was found.

    Attributes
    ----------
    share : float
        Of the class.
    distance : float
        In standard deviations of the bulk of the class.
    runs, hits : int
        Planted groups, and how many made the class significant at 5 %.
    interval : (float, float)
        Of the power (Clopper and Pearson, 95 %).
    found : float
        Mean share of the planted samples that were selected at a false discovery rate of 10 %.
    """

    share: float
    distance: float
    runs: int
    hits: int
    interval: tuple[float, float]
    found: float


@dataclass(frozen=True)
class Limits:
    """The power map of one class.

    Attributes
    ----------
    label, members, verified : int
        Class index, its assessed members, and the verified among them in every run.
    cells : list of Cell
    by_share : list of dict
        share, d50 and d80 (distance found half and 80 % of the time; None beyond those tried),
        d50_interval and d80_interval (95 %, an end beyond those tried is None),
        impossible (no test at all gains 10 % below it) and spectral (the frontier of a white class).
    smallest_group : int
        Fewer foreign samples than this cannot be significant.
    width : int
        Directions that groups are planted in.
    canary : str
        What stood for poison, see `canaries.planter`.
    detectors : tuple of str
        Ids of those that looked.
    parameters : mapping of str to mapping
        What some of these were told in place of their defaults.
    """

    label: int
    members: int
    verified: int
    cells: list[Cell]
    by_share: list[dict[str, Any]]
    smallest_group: int
    width: int
    canary: Canary = "features"
    detectors: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def power_map(
    signals: Mapping[str, NDArray[Any]],
    labels: NDArray[Any],
    class_names: Sequence[str],
    label: int,
    *,
    canary: Canary = "features",
    verified: int = 500,
    runs: int = 10,
    shares: Sequence[float] = SHARES,
    distances: Sequence[float] = DISTANCES,
    seed: int = 0,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    control: Control | None = None,
) -> Limits:
    """Plant groups of many sizes and distances in one class and see which are found.

    A random part of the class gives way to a group at the same δ in a random direction, in units of
    the spread of the bulk, with a fresh random verified sample among the rest; then the detectors,
    the test of the class and the selection run as in a scan. Distances of a share are tried upwards
    and end once every run found its group.

    Parameters
    ----------
    signals : mapping of str to ndarray
        "activations", (n, d), and where at hand "logits", (n, C), of assessed samples.
    labels : ndarray, shape (n,), integer
    class_names : sequence of str
    label : int
        Class to plant in.
    canary : {"features", "others", "gradients"}
        What stands for poison, see `canaries.planter`.
    verified : int
        Size of the audit; at most half of the class.
    runs : int
        Planted groups for each cell.
    shares, distances : sequence of float
        Ascending.
    seed : int
    parameters : mapping of str to mapping, optional
        Values by detector id, as the scan had them.
    control : Control, optional

    Raises
    ------
    BadInput
        The class has fewer than 100 samples, there is no such canary, what it moves is missing, or a
        detector cannot have such a value: it would fail each time, as if it had looked in vain.
    """
    control = control or Control()
    labels = np.asarray(labels)
    members = int((labels == label).sum())
    _check(class_names[label], members, signals, canary)
    known = min(verified, members // 2)
    random = np.random.default_rng([seed, label])
    kept = {name: signals[name] for name in ("activations", "logits") if name in signals}
    grounds = grounds_of(kept, labels, label, _OTHERS, random)
    plant, width = planter(grounds, canary)
    entries = [entry for entry in discover([], False) if entry.id in _COLUMNS]
    if "logits" not in plant(np.arange(1), 1.0, np.random.default_rng(0)):
        entries = [entry for entry in entries if entry.info and "logits" not in entry.info.needs]
    told = checked_for(entries, parameters)
    cells: list[Cell] = []
    total = len(shares) * len(distances) * runs
    for at, share in enumerate(shares):
        size = round(share * members)
        for far, distance in enumerate(distances) if size else ():
            done = (at * len(distances) + far) * runs
            hits, found = 0, 0.0
            for run in range(runs):
                control.check()
                control.progress(STAGE, done + run, total, f"{share:.1%} at distance {distance:g}")
                hit, part = _run(grounds, plant, size, distance, known, entries, told, random)
                hits += hit
                found += part / runs
            interval = clopper_pearson(hits, runs)
            cells.append(Cell(share, distance, runs, hits, interval, round(found, 4)))
            if hits == runs and found > 0.9:
                break
    control.progress(STAGE, total, total, "done")
    return Limits(
        label,
        members,
        known,
        cells,
        [_summary(share, cells, members, width) for share in shares],
        smallest_significant_group(members - known, known, LEVEL),
        width,
        canary,
        tuple(entry.id for entry in entries),
        told,
    )


def _check(name: str, members: int, signals: Mapping[str, Any], canary: str) -> None:
    if members < 100:
        raise BadInput(
            f"Class {name} has {members} samples.",
            "Nothing can be planted in fewer than 100 and still be called a small group.",
            "Choose a larger class.",
        )
    if canary not in CANARIES:
        raise BadInput(
            f"There is no canary {canary!r}.", f"There are {', '.join(CANARIES)}.", "Choose one."
        )
    if canary == "gradients" and "logits" not in signals:
        raise BadInput(
            "There are no gradients to move.",
            "The case holds no answers of the model.",
            "Scan first.",
        )


def _run(
    grounds: Grounds,
    plant: Plant,
    size: int,
    distance: float,
    known: int,
    entries: Sequence[Any],
    told: Mapping[str, Mapping[str, Any]],
    random: np.random.Generator,
) -> tuple[bool, float]:
    """Plant one group; return whether the class became significant, and the share selected."""
    order = random.permutation(grounds.own)
    planted = order[:size]
    moved = plant(planted, distance, random)
    labels = grounds.labels
    codes = np.zeros(len(labels), np.int8)
    codes[order[size : size + known]] = 1
    names = max(int(labels.max()) + 1, moved["logits"].shape[1] if "logits" in moved else 0)
    outcome = run_detectors(
        moved,
        labels,
        np.ones(len(labels), np.bool_),
        [str(k) for k in range(names)],
        entries=entries,
        parameters=told,
        verified=codes,
        seed=int(random.integers(1 << 30)),
    )
    outcome.refuse_failed(told)
    row = outcome.classes[int(labels[0])]
    chosen = np.nan_to_num(outcome.q_value[planted], nan=2.0) <= SELECTION
    return (row["p_value"] or 1.0) <= LEVEL, float(chosen.mean())


def _summary(share: float, cells: Sequence[Cell], members: int, width: int) -> dict[str, Any]:
    mine = [cell for cell in cells if cell.share == share]
    distances = np.array([cell.distance for cell in mine])
    hits, runs = np.array([cell.hits for cell in mine]), np.array([cell.runs for cell in mine])
    return {
        "share": share,
        "d50": half_power(distances, hits, runs, 0.5) if mine else None,
        "d80": half_power(distances, hits, runs, 0.8) if mine else None,
        "d50_interval": distance_interval(distances, hits, runs, 0.5),
        "d80_interval": distance_interval(distances, hits, runs, 0.8),
        "impossible": impossible_below(share, members, width) if width > 3 else 0.0,
        "spectral": spectral_frontier(share, members, width),
    }
