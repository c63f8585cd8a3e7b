"""Activation clustering: two clusters per class, and how far a sample lies toward the smaller."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import numpy as np

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.standing import class_verdicts
from inspector.statistics.clusters import simplified_silhouette, two_means
from inspector.statistics.rows import as_scores
from inspector.statistics.spectra import principal_components
from inspector.statistics.tails import robust_distances


class ActivationClustering:
    """2-means on ten whitened components of a class; score = distance toward the smaller cluster.

    The paper clusters ten independent components. Independent components are a rotation of whitened
    principal components and k-means does not see rotations, so the rotation is left out. Two
    clusters are found in any class; unlike the common implementations, which accuse the smaller one
    of every class, a class is only remarked on when its smaller cluster lies further out than those
    of others.
    """

    info = DetectorInfo(
        id="activation-clustering",
        title="Activation clustering",
        summary="Splits each class in two; how far does a sample lie toward the smaller part?",
        version="1.0",
        needs=("labels", "activations"),
        in_ranking=True,
        parameters=(
            Parameter("components", 10, "Components that the clusters are sought in.", 1, 64),
        ),
        reference="Chen and others 2018, Detecting Backdoor Attacks by Activation Clustering",
    )

    def run(self, ctx: Context, components: int = 10) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        scores = np.full(ctx.n, np.nan)
        found: list[ClassResult] = []
        shapes = np.zeros((len(classes), 2))
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            wanted = max(1, min(components, len(rows) // 10))
            mean, variances, directions = principal_components(
                rows, wanted, partial(classes.moments, done)
            )
            # Units that never fire give components without variance, which cannot be whitened.
            live = variances > max(1e-9 * float(variances[0]), 1e-30)
            if not live.any():
                scores[group.rows] = 0
                continue
            turn = directions[:, live] / np.sqrt(variances[live])
            white = (rows - mean.astype(np.float32)) @ turn.astype(np.float32)
            smaller, centres = two_means(white)
            toward = white @ (centres[1] - centres[0])
            scores[group.rows], excess = robust_distances(toward)
            shapes[done] = smaller.mean(), simplified_silhouette(white, centres)
            found.append(ClassResult(group.label, excess))
        yield Progress(len(classes), len(classes), "done")
        rated = class_verdicts(found)
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                "Two clusters are found in every class, poisoned or not; being in the smaller one "
                "means nothing by itself.",
                "Groups below about 3 % of a class rarely form a cluster of their own.",
                *rated.caveats,
                *classes.caveats,
            ),
            artifacts={"smaller_share_and_silhouette": shapes},
        )


DETECTORS = [ActivationClustering]
