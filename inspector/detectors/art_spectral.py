"""What the Adversarial Robustness Toolbox computes as spectral signatures, for comparison."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.rows import at_unit_scale
from inspector.statistics.spectra import principal_components


class ToolboxSpectral:
    """|h · v| with v the top direction of the centred class, but h itself left uncentred.

    The published score centres both. This one equals the toolbox's, so that an auditor can see the
    two beside each other. For networks of PyTorch the toolbox also takes the answers of the last
    layer for activations; that is the default here too.
    """

    info = DetectorInfo(
        id="art-spectral",
        title="Spectral signatures as in ART",
        summary="The uncentred projection that a widely used toolbox computes; for comparison.",
        version="1.0",
        needs=("labels", "activations", "logits"),
        by_default=False,
        parameters=(
            Parameter(
                "signal", "logits", "What the projection is of.", choices=("logits", "activations")
            ),
        ),
        reference="Adversarial Robustness Toolbox 1.20, SpectralSignatureDefense",
    )

    def run(self, ctx: Context, signal: str = "logits") -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, also=("logits",))
        tally = Tally(ctx, classes)
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            if signal == "logits":
                rows = at_unit_scale(ctx.signal("logits")[group.rows])[0]
            direction = principal_components(rows, 1)[2]
            tally.add(group, np.abs(rows @ direction[:, 0].astype(np.float32)))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "Projecting uncentred rows can turn the ranking upside down: few or weak poisons "
                "then score lowest. Use “Spectral signatures” for the published score.",
            )
        )


DETECTORS = [ToolboxSpectral]
