"""What this pipeline would have seen: groups planted in activations, found or not found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.detectors.calibration import LEVEL, SELECTION
from inspector.detectors.registry import discover
from inspector.detectors.runner import run_detectors
from inspector.errors import BadInput
from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.frontiers import (
    distance_interval,
    half_power,
    impossible_below,
    spectral_frontier,
)
from inspector.statistics.permutation import smallest_significant_group
from inspector.statistics.prevalence import clopper_pearson
from inspector.statistics.spectra import principal_components

STAGE = "Limits"

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
DISTANCES = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

_WIDTH = 24
_OTHERS = 300
"""Members of each other class that stand beside the class under study, for whitening."""

_COLUMNS = ("spectral", "spectral-whitened", "activation-clustering", "quantum-entropy")
"""Detectors that need activations alone: moving a sample leaves its logits undefined."""


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
    """

    label: int
    members: int
    verified: int
    cells: list[Cell]
    by_share: list[dict[str, Any]]
    smallest_group: int
    width: int


def power_map(
    activations: NDArray[Any],
    labels: NDArray[Any],
    class_names: Sequence[str],
    label: int,
    *,
    verified: int = 500,
    runs: int = 10,
    shares: Sequence[float] = SHARES,
    distances: Sequence[float] = DISTANCES,
    seed: int = 0,
    control: Control | None = None,
) -> Limits:
    """Plant groups of many sizes and distances in one class and see which are found.

    A random part of the class is moved by the same δ in a random direction, in units of the spread
    of the bulk, with a fresh random verified sample among the rest; then the detectors, the test of
    the class and the selection run as in a scan. Distances of a share are tried upwards and end once
    every run found its group.

    Parameters
    ----------
    activations : ndarray, shape (n, d)
        Of assessed samples.
    labels : ndarray, shape (n,), integer
    class_names : sequence of str
    label : int
        Class to plant in.
    verified : int
        Size of the audit; at most half of the class.
    runs : int
        Planted groups for each cell.
    shares, distances : sequence of float
        Ascending.
    seed : int
    control : Control, optional

    Raises
    ------
    BadInput
        The class has fewer than 100 samples.
    """
    control = control or Control()
    labels = np.asarray(labels)
    own = np.flatnonzero(labels == label)
    if len(own) < 100:
        raise BadInput(
            f"Class {class_names[label]} has {len(own)} samples.",
            "Nothing can be planted in fewer than 100 and still be called a small group.",
            "Choose a larger class.",
        )
    known = min(verified, len(own) // 2)
    random = np.random.default_rng([seed, label])
    rows = [own]
    for other in np.setdiff1d(np.unique(labels[labels >= 0]), [label]):
        members = np.flatnonzero(labels == other)
        rows.append(np.sort(random.permutation(members)[:_OTHERS]))
    chosen = np.concatenate(rows)
    base = np.ascontiguousarray(activations[chosen], np.float32)
    here = labels[chosen].astype(np.int32)
    spread, width = _bulk_spread(base[: len(own)])
    entries = [entry for entry in discover([], False) if entry.id in _COLUMNS]
    cells: list[Cell] = []
    total = len(shares) * len(distances) * runs
    for at, share in enumerate(shares):
        size = round(share * len(own))
        for far, distance in enumerate(distances) if size else ():
            done = (at * len(distances) + far) * runs
            hits, found = 0, 0.0
            for run in range(runs):
                control.check()
                control.progress(STAGE, done + run, total, f"{share:.1%} at distance {distance:g}")
                hit, share_found = _run(
                    base, here, len(own), size, distance, spread, known, entries, random
                )
                hits += hit
                found += share_found / runs
            interval = clopper_pearson(hits, runs)
            cells.append(Cell(share, distance, runs, hits, interval, round(found, 4)))
            if hits == runs and found > 0.9:
                break
    control.progress(STAGE, total, total, "done")
    return Limits(
        label,
        len(own),
        known,
        cells,
        [_summary(share, cells, len(own), width) for share in shares],
        smallest_significant_group(len(own) - known, known, LEVEL),
        width,
    )


def _bulk_spread(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    """Return S, (k, d), so that a unit vector of length k times S is one deviation of the bulk."""
    width = max(2, min(_WIDTH, int(np.sqrt(len(rows) / 2)), rows.shape[1]))
    mean, variances, directions = principal_components(rows, width)
    live = variances > max(1e-9 * float(variances[0]), 1e-30)
    scaled = directions[:, live] * np.sqrt(np.maximum(variances[live], 0))
    along = ((rows - mean.astype(np.float32)) @ directions[:, live]) / np.sqrt(variances[live])
    turn = whitener(concentrated_moments(along.astype(np.float64), 0.85)[1], 1e-3)
    # rows = along · scaledᵀ, and along · turn is white: one deviation of it is turn⁻¹ of along.
    return np.linalg.pinv(turn) @ scaled.T, int(live.sum())


def _run(
    base: NDArray[np.float32],
    labels: NDArray[np.int32],
    own: int,
    size: int,
    distance: float,
    spread: NDArray[np.float64],
    known: int,
    entries: Sequence[Any],
    random: np.random.Generator,
) -> tuple[bool, float]:
    """Plant one group; return whether the class became significant, and the share selected."""
    order = random.permutation(own)
    planted = order[:size]
    direction = random.standard_normal(len(spread))
    direction *= distance / np.linalg.norm(direction)
    moved = base.copy()
    moved[planted] += (direction @ spread).astype(np.float32)
    codes = np.zeros(len(base), np.int8)
    codes[order[size : size + known]] = 1
    outcome = run_detectors(
        {"activations": moved},
        labels,
        np.ones(len(base), np.bool_),
        [str(k) for k in range(int(labels.max()) + 1)],
        entries=entries,
        verified=codes,
        seed=int(random.integers(1 << 30)),
    )
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
