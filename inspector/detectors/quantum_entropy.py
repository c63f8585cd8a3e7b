"""Quantum entropy scores after whitening by the other classes and by the bulk of the own one."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.spectral_whitened import directions_for
from inspector.detectors.tally import Tally
from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.quantum import quantum_entropy_scores

_KEEP = 0.7


class QuantumEntropy:
    """√τ over the leading directions in which a class varies more than the others do.

    One direction misses poison that came from several classes and points several ways; this weighs
    all of them by how much the class spreads beyond its own bulk there. No poison rate is assumed.
    """

    info = DetectorInfo(
        id="quantum-entropy",
        title="Quantum entropy score",
        summary="How far out is a sample in all directions that its class spreads in by few members?",
        version="1.0",
        needs=("labels", "activations"),
        in_ranking=True,
        parameters=(Parameter("directions", 24, "Leading whitened directions kept.", 1, 64),),
        reference="Hayase and others 2021, SPECTRE; Dong, Hopkins, Li 2019 for the score",
    )

    def run(self, ctx: Context, directions: int = 24) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        yield Progress(0, len(classes), "spread of all classes")
        whitening = classes.whitening()
        for done, group in enumerate(classes.groups):
            yield Progress(done, len(classes), group.name)
            wanted = directions_for(len(group.rows), directions)
            along = whitening.leading_coordinates(done, wanted)[1].astype(np.float64)
            location, bulk = concentrated_moments(along, _KEEP)
            whitened = (along - location) @ whitener(bulk, 1e-3)
            tally.add(group, np.sqrt(np.maximum(quantum_entropy_scores(whitened)[0], 0)))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "A rare natural kind of sample in one class scores like a planted group.",
                "Where more than about 30 % of a class is foreign, its genuine part looks odd.",
            )
        )


DETECTORS = [QuantumEntropy]
