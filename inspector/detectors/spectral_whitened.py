"""The spectral score after whitening a class with the pooled covariance of the other classes."""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.standing import class_verdicts
from inspector.statistics.rows import as_scores
from inspector.statistics.tails import contrast_direction, robust_distances

_STEPS = 1000
"""Steps of progress for all classes together: not every layer has as many classes to assess."""


class WhitenedSpectrum:
    """|s − median| / robust deviation in the whitened direction where a class differs from itself.

    Natural variation is much alike in all classes, so measuring a class in units of how the others
    vary leaves what only it contains. Among the leading whitened directions the combination is
    taken in which the class as a whole spreads most against its own bulk. No poison rate is
    assumed.
    """

    info = DetectorInfo(
        id="spectral-whitened",
        title="Whitened spectral score",
        summary="How far a sample lies where its class varies in a way that no other class does.",
        version="1.0",
        needs=("labels", "activations"),
        in_ranking=True,
        parameters=(Parameter("directions", 24, "Leading whitened directions to combine.", 1, 64),),
        reference="After Tran and others 2018; whitening as in Hayase and others 2021, SPECTRE",
    )

    def run(self, ctx: Context, directions: int = 24) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        scores, found, spectra = yield from whitened_scores(ctx, classes, directions)
        rated = class_verdicts(found)
        alone = (
            ("There is one class only: it was whitened by itself, which hides what it contains.",)
            if len(classes) == 1
            else ()
        )
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                "A rare natural kind of sample in one class scores like a planted group.",
                "Where more than about 40 % of a class is foreign, its genuine part looks odd.",
                "Poison that spreads over all classes is part of what counts as ordinary here.",
                *alone,
                *rated.caveats,
                *classes.caveats,
            ),
            artifacts={"whitened_variances": spectra},
        )


def whitened_scores(
    ctx: Context, classes: ClassGroups, directions: int, place: int = 0, places: int = 1
) -> Generator[Progress, None, tuple[NDArray[np.float64], list[ClassResult], NDArray[np.float64]]]:
    """Score every class in the whitened direction in which it spreads most against its bulk.

    ``place`` of ``places`` tells progress how often this was done before, and will be.

    Returns
    -------
    scores : ndarray, shape (n,), float64
        NaN where not assessed.
    found : list of ClassResult
        Mean squared robust distance of each class.
    spectra : ndarray, shape (classes, directions), float64
        Leading whitened variances.
    """
    scores = np.full(ctx.n, np.nan)
    found: list[ClassResult] = []
    spectra = np.zeros((len(classes), directions))
    before, steps = _STEPS * place, _STEPS * places
    yield Progress(before, steps, "spread of all classes")
    whitening = classes.whitening()
    for done, group in enumerate(classes.groups):
        yield Progress(before + _STEPS * done // len(classes), steps, group.name)
        wanted = directions_for(len(group.rows), directions)
        variances, along = whitening.leading_coordinates(done, wanted)
        spectra[done, : len(variances)] = variances
        distances, excess = robust_distances(along @ contrast_direction(along))
        scores[group.rows] = np.abs(distances)
        found.append(ClassResult(group.label, excess))
    yield Progress(before + _STEPS, steps, "done")
    return scores, found, spectra


def directions_for(members: int, most: int) -> int:
    """Limit the directions that a class of few members is searched in, or noise would win."""
    return max(1, min(most, members // 10, math.isqrt(members // 2)))


DETECTORS = [WhitenedSpectrum]
