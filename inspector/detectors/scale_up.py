"""SCALE-UP: a backdoor's answer stays when the picture is made brighter and brighter."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.pictures import in_batches
from inspector.detectors.tally import Tally

FACTORS = (3, 5, 7, 9, 11)


class ScaleUp:
    """Share of brightened copies with the same answer, plus how sure they are of it.

    The published score takes six values only and cannot rank; the mean probability of the first
    answer orders samples within them.
    """

    info = DetectorInfo(
        id="scale-up",
        title="SCALE-UP",
        summary="Does the answer stay when the picture is multiplied by 3 to 11?",
        version="1.0",
        needs=("labels", "activations", "predicted"),
        passes=float(len(FACTORS)),
        by_default=False,
        reference="Guo and others 2023, SCALE-UP: An Efficient Black-box Input-level Backdoor "
        "Detection (ICLR)",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        first = ctx.signal("predicted")
        scores = np.zeros(ctx.n)
        wanted = classes.rows
        total = len(wanted)
        for done, rows, pictures in in_batches(ctx, wanted):
            yield Progress(done, total, "brightening")
            mine = np.asarray(first[rows])
            for factor in FACTORS:
                bright = [
                    np.minimum(picture.astype(np.uint16) * factor, 255).astype(np.uint8)
                    for picture in pictures
                ]
                logits = ctx.forward(bright).astype(np.float64)
                odds = np.exp(logits - logits.max(axis=1, keepdims=True))
                sure = odds[np.arange(len(rows)), mine] / odds.sum(axis=1)
                same = logits.argmax(axis=1) == mine
                scores[rows] += (same + 0.5 * sure) / len(FACTORS)
        for group in classes.groups:
            tally.add(group, scores[group.rows])
        yield Progress(total, total, "done")
        return tally.finding(
            (
                "White and black patches, and dark pictures, react to brightening in other ways.",
                "Genuine pictures of some classes keep their answer when they are saturated.",
            )
        )


DETECTORS = [ScaleUp]
