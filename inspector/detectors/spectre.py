"""SPECTRE as published: robust covariance, quantum entropy score, choice of the dimension."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.spectra import principal_components
from inspector.statistics.spectre import DIMENSIONS, spectre_scores


class Spectre:
    """Quantum entropy scores after whitening by a covariance that poison was filtered from.

    The published method needs the share of poison; it enters what is filtered, not the order of the
    scores. Ports of it exponentiate the entries of a matrix, not the matrix, and score all classes in
    one; here the exponential is that of the matrix, and every class is scored.
    """

    info = DetectorInfo(
        id="spectre",
        title="SPECTRE",
        summary="How far out is a sample once its class is whitened without its outliers?",
        version="1.0",
        needs=("labels", "activations"),
        by_default=False,
        parameters=(
            Parameter("share", 0.05, "Share of poison in a class that is filtered.", 0.0, 0.4),
            Parameter("alpha", 4.0, "0 weighs all directions alike, more the top one.", 0.0, 100.0),
        ),
        reference="Hayase, Kong, Somani, Oh 2021, SPECTRE (ICML)",
    )

    def run(
        self, ctx: Context, share: float = 0.05, alpha: float = 4.0
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        chosen = np.zeros((len(classes), 2))
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            wanted = max(1, min(DIMENSIONS[-1], len(rows) // 4))
            mean, variances, directions = principal_components(rows, wanted)
            live = variances > max(1e-9 * float(variances[0]), 1e-30)
            if not live.any():
                tally.add(group, np.zeros(len(rows)))
                continue
            turn = (directions[:, live] / np.sqrt(variances[live])).astype(np.float32)
            along = ((rows - mean.astype(np.float32)) @ turn).astype(np.float64)
            scores, objective, dimension = spectre_scores(
                along, share, alpha=alpha, seed=ctx.seed, check=ctx.check_cancelled
            )
            chosen[done] = objective, dimension
            tally.add(group, scores, max(objective, 1e-6))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "The published method takes the share of poison as known; a wrong share filters too "
                "little or too much.",
                "Natural sub-classes widen a class just as poison does.",
            ),
            {"objective_and_dimension": chosen},
        )


DETECTORS = [Spectre]
