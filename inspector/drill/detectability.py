"""How well a ranking puts planted samples first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.detectors.calibration import SELECTION

FOUND_VERDICTS = ("medium", "high")
"""What makes an analyst look at a class."""


def auroc(scores: NDArray[np.floating], planted: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve (Hanley and McNeil 1982).

    Parameters
    ----------
    scores : ndarray, shape (n,), float
        Higher = more suspicious; NaN ranks last, ties count half.
    planted : ndarray, shape (n,), bool
        Some are and some are not.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.nan_to_num(scores.astype(np.float64), nan=-np.inf))
    count = int(planted.sum())
    within = ranks[planted].sum() - count * (count + 1) / 2
    return float(within / (count * (len(planted) - count)))


def found_at(
    scores: NDArray[np.floating], planted: NDArray[np.bool_], false: float = 0.01
) -> float:
    """Return the share of planted samples above a share of ``false`` of the others."""
    values = np.nan_to_num(scores.astype(np.float64), nan=-np.inf)
    limit = np.quantile(values[~planted], 1 - false, method="higher")
    return float((values[planted] > limit).mean())


def class_rank(classes: Sequence[Mapping[str, Any]], wanted: NDArray[np.integer]) -> int | None:
    """Return the best place of some classes by statistic, 1 = first; None without statistics."""
    known = [row for row in classes if row["statistic"] is not None]
    order = sorted(known, key=lambda row: -row["statistic"])
    places = [at for at, row in enumerate(order, 1) if row["index"] in wanted]
    return min(places, default=None)


def draw_audit(
    labels: NDArray[np.integer],
    planted: NDArray[np.bool_],
    classes: NDArray[np.integer],
    size: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.int8], int]:
    """Draw random members of some classes, and judge them as somebody who recognises poison.

    Parameters
    ----------
    labels : ndarray, shape (n,), integer
    planted : ndarray, shape (n,), bool
    classes : ndarray of int
    size : int
        Members of each class; at most half of it.
    random : Generator

    Returns
    -------
    codes : ndarray, shape (n,), int8
        1 = verified and clean, 0 = not.
    recognised : int
        Planted samples that were drawn.
    """
    codes, recognised = np.zeros(len(labels), np.int8), 0
    for label in classes:
        members = np.flatnonzero(labels == label)
        drawn = random.permutation(members)[: min(size, len(members) // 2)]
        recognised += int(planted[drawn].sum())
        codes[drawn[~planted[drawn]]] = 1
    return codes, recognised


def audited(
    classes: Sequence[Mapping[str, Any]],
    q_value: NDArray[np.floating],
    planted: NDArray[np.bool_],
    wanted: NDArray[np.integer],
) -> dict[str, float | None]:
    """Return what an audit made of a planted group.

    Parameters
    ----------
    classes : sequence of mapping
        Rows with "index" and "p_value".
    q_value : ndarray, shape (n,), float
        NaN where none was computed.
    planted : ndarray, shape (n,), bool
    wanted : ndarray of int
        Classes that the poison leads to.

    Returns
    -------
    dict
        p_value (the lowest of those classes), selected (share of the planted samples with a q-value
        that are selected at 10 %), false (share of the selected that were not planted).
    """
    p_values = [row["p_value"] for row in classes if row["index"] in wanted]
    known = [value for value in p_values if value is not None]
    chosen = np.nan_to_num(q_value, nan=2.0) <= SELECTION
    can = planted & ~np.isnan(q_value)
    return {
        "p_value": min(known, default=None),
        "selected": float((chosen & can).sum() / can.sum()) if can.any() else None,
        "false": float((chosen & ~planted).sum() / chosen.sum()) if chosen.any() else None,
    }
