"""Collects what a detector finds class by class, and makes its finding of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, Finding
from inspector.detectors.groups import ClassGroups, Group
from inspector.detectors.standing import class_verdicts
from inspector.statistics.rows import as_scores
from inspector.statistics.tails import robust_distances


class Tally:
    """Scores and class statistics of one run.

    Parameters
    ----------
    ctx : Context
    classes : ClassGroups
        Its caveats become those of the finding.
    """

    def __init__(self, ctx: Context, classes: ClassGroups) -> None:
        self._classes = classes
        self._scores = np.full(ctx.n, np.nan)
        self._found: list[ClassResult] = []

    def add(
        self, group: Group, values: NDArray[np.floating], statistic: float | None = None
    ) -> None:
        """Take the scores of a class, in the order of its rows.

        ``statistic`` compares classes; by default it is the mean squared robust distance of the
        scores, about 1 for a normal bulk without a group far out.
        """
        self._scores[group.rows] = values
        if statistic is None:
            statistic = robust_distances(np.asarray(values, np.float64))[1]
        self._found.append(ClassResult(group.label, float(statistic)))

    def finding(
        self, caveats: Sequence[str], artifacts: Mapping[str, NDArray[Any]] | None = None
    ) -> Finding:
        """Return the finding, with the verdicts that comparison among classes supports."""
        rated = class_verdicts(self._found)
        return Finding(
            scores=as_scores(self._scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(*caveats, *rated.caveats, *self._classes.caveats),
            artifacts=artifacts or {},
        )
