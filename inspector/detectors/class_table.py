"""What is said of every class: by comparison with the others, and by its verified sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import VERDICTS
from inspector.detectors.calibration import LEVEL, SELECTION, Calibration, references
from inspector.detectors.records import number_or_none
from inspector.detectors.standing import bounded, verdicts_of

_TOP = 0.05
"""Share of a class that counts as its top where verified samples are looked for in it."""


def class_table(
    class_names: Sequence[str],
    labels: NDArray[np.int32],
    combined: NDArray[np.float32],
    statistics: NDArray[np.float64],
    standing: NDArray[np.float64],
    alone: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Return a row for every class name, with the verdict that comparison supports.

    ``standing`` is that of the statistics; ``alone`` that of the distances of the samples, without
    asking whether looks agree: no verdict is more than one step above what it supports.
    """
    counts = np.bincount(labels[~np.isnan(combined)], minlength=len(class_names))
    assessed = int(np.isfinite(statistics).sum())
    verdicts = bounded(verdicts_of(standing, assessed), verdicts_of(alone, assessed))
    return [
        {
            "index": index,
            "name": name,
            "count": int(counts[index]),
            "statistic": number_or_none(float(statistics[index])),
            "p_value": None,
            "p_value_holm": None,
            "verified": 0,
            "selected": None,
            "weights": None,
            "verdict": verdict,
        }
        for index, (name, verdict) in enumerate(zip(class_names, verdicts))
    ]


def contaminated(
    classes: Sequence[Mapping[str, Any]],
    calibration: Calibration,
    labels: NDArray[np.int32],
    verified: NDArray[Any],
    combined: NDArray[np.float32],
) -> list[str]:
    """Say where a class stands out, yet its verified sample holds what makes it stand out."""
    said = []
    for index, row in enumerate(classes):
        p_value = calibration.class_p_holm[index]
        if VERDICTS.index(row["verdict"]) < VERDICTS.index("medium") or not p_value > LEVEL:
            continue
        mine = np.flatnonzero((labels == index) & ~np.isnan(combined))
        top = mine[combined[mine] >= np.quantile(combined[mine], 1 - _TOP)]
        known = int(np.count_nonzero(references(verified[top])))
        if known:
            said.append(
                f"Class {row['name']} stands out, but {known:,} of its verified samples are among "
                f"the {len(top):,} that make it so: look at them again, for they may be poison "
                "that passed for clean."
            )
    return said


def add_calibration(
    classes: list[dict[str, Any]],
    calibration: Calibration,
    labels: NDArray[np.int32],
    verified: NDArray[Any],
    ids: Sequence[str],
) -> None:
    """Put what verified samples add into the class table; a tested class may become "high"."""
    for index, row in enumerate(classes):
        mine = labels == index
        row["p_value"] = number_or_none(float(calibration.class_p[index]))
        row["p_value_holm"] = number_or_none(float(calibration.class_p_holm[index]))
        row["verified"] = int(np.count_nonzero(references(verified[mine])))
        if calibration.class_p_holm[index] <= LEVEL:
            row["verdict"] = "high"
        if index in calibration.weights:
            found = calibration.q_value[mine]
            row["selected"] = int(np.count_nonzero(found <= SELECTION))
            pairs = calibration.weights[index].reshape(2, -1).T.round(6).tolist()
            row["weights"] = dict(zip(ids, pairs))
