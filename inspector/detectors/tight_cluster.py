"""Unusually tight groups of a class: poison that was made from one target or one trigger."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.neighbours import nearest, unit_rows

_MOST = 8000
"""Members of a class that are compared with each other; the others are compared with these."""


class TightCluster:
    """Mean cosine to the k nearest of the same class, relative to the mean of those neighbours.

    A dense class is dense everywhere, so density alone ranks typical samples first. Divided by the
    density around its neighbours, as in the local outlier factor, only a group that is denser than
    what surrounds it stands out.
    """

    info = DetectorInfo(
        id="tight-cluster",
        title="Tight cluster",
        summary="Does a sample lie in a group much tighter than its class is elsewhere?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(
            Parameter("near", 10, "Neighbours that make the group.", 1, 200),
            Parameter("wide", 100, "Neighbours that make its surroundings.", 2, 1000),
        ),
        reference="After Breunig and others 2000, LOF; compare Shan and others 2022",
    )

    def run(
        self, ctx: Context, near: int = 10, wide: int = 100
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            units = unit_rows(rows - rows.mean(axis=0))
            among = units[:: max(1, len(units) // _MOST)]
            few, many = min(near, len(among) - 1), min(max(wide, near + 1), len(among) - 1)
            scores = np.empty(len(rows))
            for part, _, similar in nearest(units, among, many + 1, ctx.check_cancelled):
                # Distances between unit vectors, nearest first; the first is the sample itself.
                apart = np.sqrt(np.maximum(2 - 2 * -np.sort(-similar, axis=1), 1e-12))[:, 1:]
                inner = apart[:, :few].mean(axis=1)
                scores[part] = np.log(apart.mean(axis=1) / inner)
            tally.add(group, scores)
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "Copies and near-copies of one picture make tight groups that are no poison: look "
                "for duplicates first.",
            )
        )


DETECTORS = [TightCluster]
