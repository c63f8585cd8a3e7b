"""Deep k-NN: samples whose nearest neighbours carry other labels."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.neighbours import nearest, unit_rows

_MOST = 20_000
"""Samples that neighbours are sought among; more are thinned evenly, class by class."""


class LabelNeighbours:
    """Share of the k nearest activations (cosine) that carry another label.

    The count must be more than twice that of the planted samples around one target, or they vote
    for each other. The published rule removes a sample whose label is not the most frequent one;
    here the share is a score, so that hard classes do not lose a third of their samples.
    """

    info = DetectorInfo(
        id="deep-knn",
        title="Label of neighbours",
        summary="Do the nearest neighbours of a sample carry other labels?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(Parameter("neighbours", 50, "How many are asked.", 1, 1000),),
        reference="Peri and others 2020, Deep k-NN Defense against Clean-label Data Poisoning",
    )

    def run(self, ctx: Context, neighbours: int = 50) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        labels = ctx.labels
        yield Progress(0, len(classes), "reading activations")
        share = min(1.0, _MOST / max(sum(len(group.rows) for group in classes.groups), 1))
        parts = [
            group.rows[
                np.linspace(0, len(group.rows) - 1, max(1, int(share * len(group.rows))))
                .round()
                .astype(np.intp)
            ]
            for group in classes.groups
        ]
        among = np.concatenate(parts) if parts else np.empty(0, np.intp)
        centre = np.mean([rows.mean(axis=0) for _, rows in classes], axis=0) if parts else 0.0
        pool = classes.rows_of(among)
        base = unit_rows(pool - centre) if len(among) else pool
        place = np.full(ctx.n, -1)
        place[among] = np.arange(len(among))
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            strange = np.empty(len(rows))
            queries = unit_rows(rows - centre)
            for part, near, similar in nearest(queries, base, neighbours + 1, ctx.check_cancelled):
                own = near == place[group.rows[part]][:, None]
                # Itself is no neighbour; where it is not among the pool the farthest one goes.
                spare = np.where(own.any(axis=1), own.argmax(axis=1), similar.argmin(axis=1))
                others = labels[among[near]] != group.label
                used = np.ones(near.shape, np.bool_)
                if near.shape[1] > 1:
                    used[np.arange(len(near)), spare] = False
                strange[part] = (others & used).sum(axis=1) / used.sum(axis=1)
            tally.add(group, strange, 1e-6 + float(strange.mean()))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "Wrong labels and classes that overlap by nature score high too.",
                f"Groups of more than {neighbours // 2} samples around one place support each "
                "other and stay unseen.",
            )
        )


DETECTORS = [LabelNeighbours]
