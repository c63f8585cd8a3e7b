"""The gradient spectral score on the last convolutions: on directions alone, from a sketch."""

from __future__ import annotations

from collections.abc import Generator

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.spectral_whitened import whitened_scores
from inspector.detectors.standing import class_verdicts
from inspector.statistics.rows import as_scores


class ConvolutionGradientSpectrum:
    """|s − median| / robust deviation along the whitened direction in which a class differs.

    As `spectral-gradient`, on another layer: what a sample would change in the last convolutions
    says which patterns its label hangs on, and a trigger is a pattern that the rest of the class
    does not use. The rows have length 1, so that well-fitted samples count as much as others. Each
    class is whitened by the others.
    """

    info = DetectorInfo(
        id="spectral-conv-gradient",
        title="Gradient spectral score, convolutions",
        summary="How far a sample pulls the last convolutions where few others of its class pull.",
        version="1.0",
        needs=("labels", "conv_gradients"),
        in_ranking=True,
        parameters=(Parameter("directions", 4, "Leading whitened directions to combine.", 1, 64),),
        reference="Tran, Li, Madry 2018 on gradients; Park and others 2023, TRAK, for the margin "
        "and the projection",
    )

    def run(self, ctx: Context, directions: int = 4) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, signal="conv_gradients")
        scores, found, spectra = yield from whitened_scores(ctx, classes, directions)
        rated = class_verdicts(found)
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                "Gradients are projected at random: another seed moves the scores a little.",
                "A rare natural kind of sample in one class scores like a planted group.",
                "Wrong labels pull in directions of their own too.",
                *rated.caveats,
                *classes.caveats,
            ),
            artifacts={"whitened_variances": spectra},
        )


DETECTORS = [ConvolutionGradientSpectrum]
