"""AGPD's idea: the direction in which a layer would have to move to raise the label's logit."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.inside import last_modules
from inspector.detectors.pictures import in_batches
from inspector.detectors.tally import Tally
from inspector.statistics.neighbours import unit_rows
from inspector.statistics.tails import robust_distances


class GradientDirection:
    """One minus the cosine between a sample's gradient and the usual direction of its class.

    The gradient of the label's logit at a layer's output, averaged over places. The published
    method takes the usual direction from ten clean samples of each class; here the mean of the
    unit gradients, taken once more without the farthest quarter, stands for it. Of the layers the
    one in which a few stand farthest from the rest of the class counts, class by class. One pass
    back serves all layers; the authors' code makes one for each.
    """

    info = DetectorInfo(
        id="gradient-direction",
        title="Direction of gradients (after AGPD)",
        summary="Does the label's logit depend on a layer in another direction than in the class?",
        version="1.0",
        needs=("labels", "activations"),
        passes=3.0,
        by_default=False,
        parameters=(Parameter("layers", 4, "Last layers that are looked at.", 1, 64),),
        reference="After Yuan and others 2025, Activation Gradient based Poisoned Sample Detection "
        "Against Backdoor Attacks (ICLR)",
    )

    def run(self, ctx: Context, layers: int = 4) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        names = last_modules(ctx.network, layers) if classes.groups else []
        total = len(classes.rows)
        done = 0
        for group in classes.groups:
            parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
            for start, rows, pictures in in_batches(ctx, group.rows):
                yield Progress(done + start, total, group.name)
                found = ctx.network.gradients(pictures, np.full(len(rows), group.label), names)
                for name in names:
                    parts[name].append(found[name])
            angles = [away(np.concatenate(parts[name])) for name in names]
            heights = [robust_distances(angle)[1] for angle in angles]
            best = int(np.argmax(heights))
            tally.add(group, angles[best], heights[best])
            done += len(group.rows)
        yield Progress(total, total, "done")
        return tally.finding(
            (
                "Samples that the model answers against their label have other gradients too.",
                "Poison that makes up most of a class sets its usual direction.",
            )
        )


def away(gradients: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return one minus the cosine of each row, (b, c), to the usual direction of all; (b,)."""
    units = unit_rows(np.nan_to_num(gradients.astype(np.float64), posinf=0.0, neginf=0.0))
    angles = 1 - units @ _unit(units.mean(axis=0))
    near = units[angles <= np.quantile(angles, 0.75)]
    found: NDArray[np.float64] = 1 - units @ _unit(near.mean(axis=0))
    return found


def _unit(row: NDArray[Any]) -> NDArray[Any]:
    unit: NDArray[Any] = row / max(float(np.linalg.norm(row)), 1e-12)
    return unit


DETECTORS = [GradientDirection]
