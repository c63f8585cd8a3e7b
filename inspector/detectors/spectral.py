"""Spectral signatures as published: squared projection on a centred class's top direction."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.standing import class_verdicts
from inspector.statistics.rows import as_scores
from inspector.statistics.spectra import spectral_projections
from inspector.statistics.tails import robust_distances


class SpectralSignatures:
    """((h − μ) · v)² with v the top right singular vector of the centred activations of a class.

    Both the direction and the projected rows are centred, as in the paper. Several reference
    implementations project the uncentred rows, which can turn the ranking upside down.
    """

    info = DetectorInfo(
        id="spectral",
        title="Spectral signatures",
        summary="How far a sample lies along the direction in which its class varies most.",
        version="1.0",
        needs=("labels", "activations"),
        in_ranking=True,
        reference="Tran, Li, Madry 2018, Spectral Signatures in Backdoor Attacks (NeurIPS)",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample by its squared projection; see the class."""
        classes = ClassGroups(ctx)
        scores = np.full(ctx.n, np.nan)
        found: list[ClassResult] = []
        variances = np.zeros((len(classes), 2))
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            along, largest, total = spectral_projections(rows)
            scores[group.rows] = (along * classes.factor) ** 2
            variances[done] = largest, total
            found.append(ClassResult(group.label, robust_distances(along)[1]))
        yield Progress(len(classes), len(classes), "done")
        rated = class_verdicts(found)
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                "The direction of largest variance is often a natural one: poison shows here only "
                "when it spreads its class more than anything natural does.",
                "Scores of different classes are in different units; the combined ranking rescales "
                "them.",
                *rated.caveats,
                *classes.caveats,
            ),
            artifacts={"largest_and_total_variance": variances * classes.factor**2},
        )


DETECTORS = [SpectralSignatures]
