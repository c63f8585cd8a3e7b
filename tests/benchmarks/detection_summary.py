"""What the rows of `detection.py` say together: the numbers that we want to be judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

CLEAN_LABEL = ("sinusoid", "consistent", "polytope")
_WORKS = 0.5
"""Success from which on an attack counts: poison that nothing learned is no backdoor."""


@dataclass(frozen=True)
class Row:
    """What was measured on one bed.

    Attributes
    ----------
    name : str
    rate : float
        Share of poison in the data; 0 for none.
    success : float
        Of the attack on held-out pictures.
    verdict : str
        Without an audit.
    rank : int
        Of a poisoned class; 0 without poison.
    areas : dict of str to float
        AUROC over the whole dataset: "ours", and every single detector.
    right, poisoned, false : int
        Poisoned classes that became "high" with an audit, all of them, and other classes that did.
    discoveries, power : float
        False discovery rate and power of the selection at 10 %.
    clean_p : tuple of float
        p-values of the classes without poison.
    """

    name: str
    rate: float
    success: float
    verdict: str
    rank: int
    areas: dict[str, float]
    right: int
    poisoned: int
    false: int
    discoveries: float
    power: float
    clean_p: tuple[float, ...] = field(default=())

    @property
    def works(self) -> bool:
        """Whether poison was planted and learned."""
        return self.rate > 0 and self.success >= _WORKS

    @property
    def clean_label(self) -> bool:
        """Whether labels were left alone."""
        return any(word in self.name for word in CLEAN_LABEL)


def summarise(rows: Sequence[Row]) -> list[str]:
    """Return sentences with counts."""
    told = []
    working = [row for row in rows if row.works]
    dirty = [row for row in working if not row.clean_label]
    groups = {
        "dirty labels, 1 % or more": [row for row in dirty if row.rate >= 0.0095],
        "dirty labels, 0.3 to 0.5 %": [row for row in dirty if row.rate < 0.0095],
        "clean labels": [row for row in working if row.clean_label],
    }
    for name, some in groups.items():
        if some:
            ours = [row.areas["ours"] for row in some]
            told.append(
                f"{name}: median AUROC {np.median(ours):.3f}, lowest {min(ours):.3f}, {len(some)} beds"
            )
    if working:
        gaps = {row.name: max(row.areas.values()) - row.areas["ours"] for row in working}
        behind = {name: gap for name, gap in gaps.items() if gap > 0.02}
        told.append(
            f"more than 0.02 below the best single detector: {len(behind)} of {len(working)} beds"
            + "".join(f", {name} by {gap:.3f}" for name, gap in behind.items())
        )
        told.append(f"a poisoned class first: {sum(row.rank == 1 for row in working)}")
        audited = sum(row.right for row in working), sum(row.poisoned for row in working)
        told.append(f"poisoned classes high with an audit: {audited[0]} of {audited[1]}")
    accused = [row.name for row in rows if row.false]
    told.append(f"scans with a false high: {len(accused)} of {len(rows)} {' '.join(accused)}")
    loud = [row.name for row in rows if not row.rate and row.verdict == "medium"]
    clean = sum(not row.rate for row in rows)
    told.append(f"without an audit, medium on data without poison: {len(loud)} of {clean}")
    p_values = np.array([p for row in rows for p in row.clean_p])
    if len(p_values):
        told.append(
            f"p-values of {len(p_values)} classes without poison: {np.mean(p_values <= 0.05):.3f} are "
            "at most 0.05"
        )
    sharp = [row for row in working if row.areas["ours"] >= 0.99]
    if sharp:
        told.append(
            f"where the AUROC is 0.99 or more: mean false discovery rate "
            f"{np.mean([row.discoveries for row in sharp]):.3f}, mean power "
            f"{np.mean([row.power for row in sharp]):.2f}, power 0.9 or more in "
            f"{sum(row.power >= 0.9 for row in sharp)} of {len(sharp)}"
        )
    return told
