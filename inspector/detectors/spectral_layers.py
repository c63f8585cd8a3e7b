"""The whitened spectral score swept over earlier layers; each class by the layer that shows it best."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.spectral_whitened import whitened_scores
from inspector.detectors.standing import class_standing, class_verdicts
from inspector.statistics.rows import as_scores

_NAMED = 3
"""Classes that a sentence names at most."""


class LayerSweep:
    """The whitened spectral score in the earlier layer in which a class stands out most.

    A pattern on pictures that keep their label ends, in the last layer, where its class ends, and
    is still apart before that. In each layer the classes are compared with each other, and each
    class is scored in the layer in which it stands furthest above the others: no label of poison
    is needed for that choice. The artefacts hold the standings by class and layer.
    """

    info = DetectorInfo(
        id="spectral-layers",
        title="Layer sweep",
        summary="How far a sample lies apart in the earlier layer that shows most of its class.",
        version="1.0",
        needs=("labels", "layers"),
        in_ranking=True,
        parameters=(Parameter("directions", 24, "Leading whitened directions to combine.", 1, 64),),
        reference="After Tran and others 2018; whitening as in Hayase and others 2021, SPECTRE",
    )

    def run(self, ctx: Context, directions: int = 24) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        names = ctx.layers
        columns = np.full((len(names), ctx.n), np.nan)
        statistics = np.full((len(names), len(ctx.class_names)), np.nan)
        caveats: list[str] = []
        for place, name in enumerate(names):
            classes = ClassGroups(ctx, signal=name)
            columns[place], found, _ = yield from whitened_scores(
                ctx, classes, directions, place, len(names)
            )
            for result in found:
                statistics[place, result.index] = result.statistic
            caveats += [line for line in classes.caveats if line not in caveats]
        standing = np.array([class_standing(row) for row in statistics]).reshape(statistics.shape)
        best = np.where(np.isfinite(statistics), standing, -np.inf).argmax(axis=0)
        scores = np.full(ctx.n, np.nan)
        found = []
        for label, rows in ctx.by_class():
            if np.isfinite(statistics[:, label]).any():
                scores[rows] = columns[best[label], rows]
                found.append(ClassResult(label, float(statistics[best[label], label])))
        rated = class_verdicts(found)
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                _told(names, ctx.class_names, standing, best),
                "Early layers see strokes and colours: a class with two natural kinds of pictures "
                "stands out there too.",
                *rated.caveats,
                *caveats,
            ),
            artifacts={"standing": standing.T.copy(), "layer": best.astype(np.int32)},
        )


def _told(
    layers: tuple[str, ...], classes: tuple[str, ...], standing: np.ndarray, best: np.ndarray
) -> str:
    """Say which layers were looked at, and where the classes that stand out most do so."""
    names = [name.removeprefix("layer:") for name in layers]
    heights = standing.max(axis=0, initial=-np.inf)
    first = [index for index in np.argsort(-heights)[:_NAMED] if np.isfinite(heights[index])]
    shown = ", ".join(f"{classes[index]} in {names[best[index]]}" for index in first)
    most = f" The classes that stand out most: {shown}." if shown else ""
    return f"Layers swept over: {', '.join(names)}.{most}"


DETECTORS = [LayerSweep]
