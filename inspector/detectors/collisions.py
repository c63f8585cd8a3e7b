"""Feature collisions: a picture of one class that lies where another class lives."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.neighbours import unit_rows

_MOST = 20_000
_BLOCK = 512


class FeatureCollisions:
    """log of the distance to the k-th of the own class over the nearest of another one.

    A clean-label poison keeps its picture and its label, and is moved in feature space onto a target
    of another class. The sample it collides with is kept beside it: look at both.
    """

    info = DetectorInfo(
        id="feature-collisions",
        title="Feature collisions",
        summary="Does a sample lie closer to one sample of another class than to its own?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(Parameter("neighbours", 5, "Of the own class, that it is far from.", 1, 100),),
        reference="Shafahi and others 2018, Poison Frogs! Targeted Clean-Label Poisoning Attacks",
    )

    def run(self, ctx: Context, neighbours: int = 5) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        step = max(1, sum(len(group.rows) for group in classes.groups) // _MOST)
        centre = np.mean([rows.mean(axis=0) for _, rows in classes], axis=0) if len(classes) else 0
        pool = [(group, group.rows[::step]) for group in classes.groups]
        units = [unit_rows(classes.rows_of(rows) - centre) for _, rows in pool]
        partner = np.full(ctx.n, -1, np.int64)
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            queries = unit_rows(rows - centre)
            scores = np.zeros(len(rows))
            for start in range(0, len(rows), _BLOCK):
                ctx.check_cancelled()
                part = slice(start, start + _BLOCK)
                best, whose = np.full(len(queries[part]), -2.0, np.float32), -1
                mate = np.full(len(queries[part]), whose, np.int64)
                for (other, members), unit in zip(pool, units):
                    similar = queries[part] @ unit.T
                    if other.label == group.label:
                        k = min(neighbours + 1, similar.shape[1])
                        own = np.partition(similar, -k, axis=1)[:, -k]
                        continue
                    nearest = similar.argmax(axis=1)
                    found = similar[np.arange(len(similar)), nearest]
                    closer = found > best
                    best = np.where(closer, found, best)
                    mate = np.where(closer, members[nearest], mate)
                if len(pool) > 1:
                    scores[part] = 0.5 * np.log((2.0001 - 2 * own) / (2.0001 - 2 * best))
                partner[group.rows[part]] = mate
            tally.add(group, scores)
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "Wrong labels and pictures between two classes lie close to another class too.",
                "A poison that collides in the network it was made for need not in this one.",
            ),
            {"collides_with": partner},
        )


DETECTORS = [FeatureCollisions]
