"""How well a ranking puts planted samples first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
