"""Why a sample ranks where it does: what each detector adds, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.folder import Case
from inspector.case.table import SampleTable

_WORDS = {
    "spectral": "far out in the direction in which its class varies most",
    "spectral-whitened": "lies where its class varies as no other class does",
    "spectral-gradient": "pulls the last layer where few of its class pull",
    "activation-clustering": "belongs to the smaller of two clusters of its class",
    "quantum-entropy": "far out in the directions in which few of its class spread",
    "low-loss": "fitted unusually well",
}
"""What a high score means, by the id of a detector that reasons are made of."""

_LOW_WORDS = {"low-loss": "the model does not believe its label"}
"""What a low score means, where it has words of its own."""


@dataclass(frozen=True)
class Reason:
    """What one detector adds to the suspicion against a sample.

    Attributes
    ----------
    detector : str
    text : str
        For people.
    share : float
        Share of the class that lies at least as far out.
    amount : float
        Contribution; those of all detectors add up.
    """

    detector: str
    text: str
    share: float
    amount: float


def reasons(
    case: Case, table: SampleTable, rows: Sequence[int] | NDArray[Any], most: int = 3
) -> list[list[Reason]]:
    """Return what speaks most for suspecting some samples, largest contribution first.

    With an audit a contribution is the learned weight of a detector times the negative log of the
    rank share of the sample in its class: they add up to the learned score. Without one every
    detector of the ranking has the same weight.

    Parameters
    ----------
    case : Case
    table : SampleTable
    rows : sequence of int
    most : int
        Reasons per sample; only positive contributions count.
    """
    outcome = case.get("outcome") or {}
    ids = [name for name in outcome.get("columns") or table.detectors if name in table.columns]
    classes = {row["index"]: row for row in outcome.get("classes") or ()}
    titles = {name: str(found.get("title", name)) for name, found in case.findings().items()}
    labels = table.columns.get("label", np.full(table.n, -1))
    found: list[list[Reason]] = [[] for _ in rows]
    wanted = np.asarray(rows, np.intp)
    for label in np.unique(labels[wanted]):
        places = np.flatnonzero(labels[wanted] == label)
        members = np.flatnonzero((labels == label) & table.assessed)
        weights = classes.get(int(label), {}).get("weights") or {}
        for name in [*weights] or ids:
            if name not in table.columns:
                continue
            upper, lower = weights.get(name, (1.0, 0.0))
            for weight, sign in ((upper, 1), (lower, -1)):
                if weight > 0:
                    shares = _shares(sign * table.columns[name], members, wanted[places])
                    for place, share in zip(places, shares):
                        amount = weight * max(0.0, -np.log(share) - np.log(2))
                        if amount > 0:
                            text = _said(name, titles.get(name, name), sign)
                            found[place].append(Reason(name, text, share, float(amount)))
    return [sorted(row, key=lambda reason: -reason.amount)[:most] for row in found]


def sentence(reason: Reason) -> str:
    """Put one reason into words: "fitted unusually well (further than 99.2 % of its class)"."""
    return f"{reason.text} (further than {max(0.0, 1 - reason.share):.1%} of its class)"


def _said(name: str, title: str, sign: int) -> str:
    words = _WORDS.get(name)
    if sign < 0:
        return _LOW_WORDS.get(name, f"unusually low in “{title}”")
    return words if words else f"unusually high in “{title}”"


def _shares(
    scores: NDArray[Any], members: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the share of class members that score at least as high; 1 where not assessed."""
    values = np.sort(scores[members][~np.isnan(scores[members])])
    mine = scores[rows]
    at_least = len(values) - np.searchsorted(values, mine, side="left")
    shares = np.maximum(at_least, 1) / (len(values) + 1)
    return np.where(np.isnan(mine) | (len(values) == 0), 1.0, shares)
