"""The results of one method for several classes, held against each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inspector.triggers.anomaly import SIZE_NOISE, Anomaly, standing
from inspector.triggers.result import TriggerResult


def compare(results: Sequence[TriggerResult], methods: int = 1) -> tuple[Anomaly, int]:
    """Tell how far each class stands out among those that one method searched.

    Parameters
    ----------
    results : sequence of TriggerResult
        Of one method, one per class.
    methods : int
        How many methods are compared side by side: all together then raise false alarms no more often
        than one would.

    Returns
    -------
    anomaly : Anomaly
        In the order of the results; NaN where there is nothing to compare.
    compared : int
        Among how many classes.
    """
    looks = max((len(result.compared) for result in results), default=1)
    table = np.full((len(results), looks), np.nan)
    plain = looks == 1 and not (results and results[0].looks)
    noise = np.full(looks, SIZE_NOISE if plain else 0.0)
    for at, result in enumerate(results):
        if len(result.compared) == looks:
            table[at] = result.compared
        if len(result.noise) == looks:
            noise = np.asarray(result.noise)
    return standing(table, noise, methods), int((~np.isnan(table).any(axis=1)).sum())
