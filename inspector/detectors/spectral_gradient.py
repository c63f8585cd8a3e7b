"""The whitened spectral score on the covariance of last-layer gradients, from factors only."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.spectral_whitened import directions_for
from inspector.detectors.standing import class_verdicts
from inspector.statistics.gradients import gradient_spectrum, margin_residuals, with_bias
from inspector.statistics.rows import as_scores
from inspector.statistics.tails import tail_direction

_INPUTS = 32
"""Leading whitened directions of the activations that enter the gradient."""


class GradientSpectrum:
    """|s − median| / robust deviation along a leading direction of the gradient covariance.

    The gradient of the last layer is g = (p − y) ⊗ [h, 1]. Two things are taken out of it that hide
    poison: its length, which is near zero for the well-fitted samples that poison is made of (the
    margin's gradient (q − y) ⊗ [h, 1] has the same direction and keeps its length), and ordinary
    spread of h, which is whitened by the other classes. What remains sees both where a sample lies
    and which class it would fall to, without a single gradient being built.
    """

    info = DetectorInfo(
        id="spectral-gradient",
        title="Gradient spectral score",
        summary="How far a sample pulls the last layer where few others of its class pull.",
        version="1.0",
        needs=("labels", "activations", "logits"),
        in_ranking=True,
        parameters=(
            Parameter("directions", 4, "How many leading directions are looked at.", 1, 32),
        ),
        reference="Tran, Li, Madry 2018 on gradients; Park and others 2023, TRAK, for the margin",
    )

    def run(self, ctx: Context, directions: int = 4) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, also=("logits",))
        logits = ctx.signal("logits")
        scores = np.full(ctx.n, np.nan)
        found: list[ClassResult] = []
        spectra = np.zeros((len(classes), directions))
        yield Progress(0, len(classes), "spread of all classes")
        whitening = classes.whitening()
        for done, group in enumerate(classes.groups):
            yield Progress(done, len(classes), group.name)
            inputs = with_bias(whitening.leading_coordinates(done, _INPUTS)[1])
            residuals = margin_residuals(logits[group.rows], group.label)
            wanted = directions_for(len(group.rows), directions)
            # The column of the label is −1 throughout, so the leading directions lie near
            # −e_y ⊗ (leading activations); starting there saves most of the iterations.
            start = np.zeros((residuals.shape[1], inputs.shape[1], wanted + 2))
            likely = min(wanted + 2, inputs.shape[1])
            if group.label < len(start):
                start[group.label, range(likely), range(likely)] = 1.0
            variances, along = gradient_spectrum(
                residuals, inputs, wanted, start=start, tolerance=1e-2, rounds=2, depth=2
            )
            spectra[done, : len(variances)] = variances
            scores[group.rows], excess, _ = tail_direction(along, variances)
            found.append(ClassResult(group.label, excess))
        yield Progress(len(classes), len(classes), "done")
        rated = class_verdicts(found)
        return Finding(
            scores=as_scores(scores),
            classes=rated.classes,
            verdict=rated.verdict,
            caveats=(
                "Gradients of the last layer only. Where another layer than its input was chosen, "
                "the product of residual and activation is still taken, but is no gradient.",
                "A rare natural kind of sample in one class scores like a planted group.",
                *rated.caveats,
                *classes.caveats,
            ),
            artifacts={"gradient_variances": spectra},
        )


DETECTORS = [GradientSpectrum]
