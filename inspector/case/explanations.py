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
    "spectral-conv-gradient": "hangs on patterns that few of its class hang on",
    "activation-clustering": "belongs to the smaller of two clusters of its class",
    "quantum-entropy": "far out in the directions in which few of its class spread",
    "spectral-layers": "lies apart in an earlier layer, where its class varies as no other does",
    "low-loss": "fitted unusually well",
    "loss-trajectory": "learned better over training than the rest of its class",
}
"""What a high score means, by the id of a detector that reasons are made of."""

_LOW_WORDS = {
    "low-loss": "the model does not believe its label",
    "loss-trajectory": "learned later or worse than the rest of its class",
}
"""What a low score means, where it has words of its own."""

_COURSE = "loss-trajectory"
_KINDS = f"artifact:{_COURSE}:kind"
_KIND_WORDS = {
    1: "learned early and better than the rest of its class, as a backdoor is",
    2: "learned late and by heart, as wrong labels and rare pictures are",
    3: "never learned at any checkpoint, so more likely a wrong label than a backdoor",
}
"""What a sample's course over the checkpoints means, by the codes that the detector keeps."""


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
    chosen = [sorted(row, key=lambda reason: -reason.amount)[:most] for row in found]
    kinds = _kinds(case, table, labels)
    if kinds is not None:
        for position, kind in enumerate(map(int, kinds[wanted])):
            if kind in _KIND_WORDS:
                # Said first: it tells what the others cannot, backdoors from wrong labels.
                course = Reason(_COURSE, _KIND_WORDS[kind], 1.0, 0.0)
                rest = [reason for reason in chosen[position] if reason.detector != _COURSE]
                chosen[position] = [course, *rest][:most]
    return chosen


def _kinds(case: Case, table: SampleTable, labels: NDArray[Any]) -> NDArray[np.int8] | None:
    """Return by sample how it was learned over the checkpoints; None without any."""
    if _COURSE not in table.columns or not case.has_array(_KINDS):
        return None
    # Detectors see the assessed samples that have a label, and keep a code for each of them.
    seen = np.flatnonzero(table.assessed & (labels >= 0) & (labels < len(case.class_names)))
    codes = np.asarray(case.array(_KINDS))
    if codes.shape != seen.shape:
        return None
    kinds = np.zeros(table.n, np.int8)
    kinds[seen] = codes
    return kinds


def sentence(reason: Reason) -> str:
    """Put one reason into words: "fitted unusually well (further than 99.2 % of its class)"."""
    if reason.amount == 0:
        return reason.text
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
