"""Directions in which a small group of a class points away from the rest, whatever the tails."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.spectral_whitened import directions_for
from inspector.detectors.tally import Tally
from inspector.statistics.radial_kurtosis import radial_kurtosis_directions

_DIRECTIONS = 24


class RadialKurtosis:
    """The largest robust distance along twelve directions of large fourth moment on the sphere.

    Poison need not be far out; it points one way. Lengths are taken out first, so that heavy tails
    do not win, and the directions are orthogonal to each other, so that natural sub-classes do not
    use all of them up; each distance is weighted by how much its direction exceeds the moment that
    a round class would have.
    """

    info = DetectorInfo(
        id="radial-kurtosis",
        title="Radial kurtosis",
        summary="Does a sample point where a small group of its class points?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(Parameter("count", 12, "Directions that are looked at.", 1, 24),),
        reference="After Peña and Prieto 2001 and Tyler 1987; compare Hayase and others 2021",
    )

    def run(self, ctx: Context, count: int = 12) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        moments = np.zeros((len(classes), count))
        yield Progress(0, len(classes), "spread of all classes")
        whitening = classes.whitening()
        for done, group in enumerate(classes.groups):
            yield Progress(done, len(classes), group.name)
            wanted = directions_for(len(group.rows), _DIRECTIONS)
            variances, along = whitening.leading_coordinates(done, max(2, wanted))
            along = along[:, variances > max(1e-9 * float(variances.max(initial=0)), 1e-30)]
            if along.shape[1] < 2:
                tally.add(group, np.zeros(len(group.rows)), 1.0)
                continue
            distances, kurtosis = radial_kurtosis_directions(
                along, count, seed=ctx.seed, check=ctx.check_cancelled
            )
            scale = 1.4826 * np.median(np.abs(distances), axis=0)
            standard = distances / np.where(scale > 0, scale, 1)
            moments[done, : len(kurtosis)] = kurtosis
            tally.add(group, (standard * (kurtosis - 1)).max(axis=1), float(kurtosis.max()))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "A natural kind of picture that only some of a class show points its own way too.",
                "A group of more than about a fifth of the class is no small group any more.",
            ),
            {"fourth_moments": moments},
        )


DETECTORS = [RadialKurtosis]
