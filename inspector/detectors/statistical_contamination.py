"""SCAn: is a class a mixture of two groups with the spread that other classes have?"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.clusters import two_means


class StatisticalContamination:
    """Likelihood ratio of two means against one, in the metric of the within-class covariance.

    The published method estimates that covariance from clean data by EM; here it comes from the
    other classes. A sample's score is its log likelihood ratio for the smaller group.
    """

    info = DetectorInfo(
        id="scan",
        title="SCAn",
        summary="Is the class two groups, and is the sample in the smaller one?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(Parameter("directions", 64, "Leading whitened directions kept.", 2, 192),),
        reference="Tang, Wang, Tang, Zhang 2021, Demon in the Variant (USENIX Security)",
    )

    def run(self, ctx: Context, directions: int = 64) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        ratios = np.zeros((len(classes), 2))
        yield Progress(0, len(classes), "spread of all classes")
        whitening = classes.whitening()
        for done, group in enumerate(classes.groups):
            yield Progress(done, len(classes), group.name)
            wanted = max(1, min(directions, len(group.rows) // 10))
            along = whitening.leading_coordinates(done, wanted)[1]
            smaller, centres = two_means(along)
            gap = (centres[1] - centres[0]).astype(np.float64)
            # log N(x; outer, I) − log N(x; inner, I), linear in x.
            toward = along @ gap - (centres[1] @ centres[1] - centres[0] @ centres[0]) / 2
            share = float(smaller.mean())
            ratio = share * (1 - share) * float(gap @ gap)
            ratios[done] = share, ratio * len(group.rows)
            tally.add(group, toward, 1e-6 + ratio)
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "Where several classes are poisoned, the comparison among classes fails.",
                "A class of two natural kinds is a mixture too.",
            ),
            {"smaller_share_and_likelihood_ratio": ratios},
        )


DETECTORS = [StatisticalContamination]
