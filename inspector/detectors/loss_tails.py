"""Two tails of the loss: fitted unusually well (backdoors), and not believed (label noise)."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally
from inspector.statistics.gradients import margins


def _run(ctx: Context, sign: float, caveats: tuple[str, ...]) -> Generator[Progress, None, Finding]:
    classes = ClassGroups(ctx, also=("logits",))
    tally = Tally(ctx, classes)
    logits = ctx.signal("logits")
    for done, group in enumerate(classes.groups):
        yield Progress(done, len(classes), group.name)
        found = margins(logits[group.rows], np.full(len(group.rows), group.label))
        tally.add(group, sign * np.nan_to_num(found))
    yield Progress(len(classes), len(classes), "done")
    return tally.finding(caveats)


class LowLoss:
    """Margin of the label: poison is the best-fitted part of a class, because a trigger is easy."""

    info = DetectorInfo(
        id="low-loss",
        title="Low loss",
        summary="Is a sample fitted unusually well for its class?",
        version="1.0",
        needs=("labels", "activations", "logits"),
        reference="Li and others 2021, Anti-Backdoor Learning (NeurIPS)",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        caveats = (
            "Typical samples are fitted well too; alone this says little.",
            "A network that fits all of its training data has no low losses to tell apart.",
        )
        return (yield from _run(ctx, 1.0, caveats))


class HighLoss:
    """Minus the margin of the label: wrong labels are never quite believed."""

    info = DetectorInfo(
        id="high-loss",
        title="High loss",
        summary="Does the model refuse to believe the label?",
        version="1.0",
        needs=("labels", "activations", "logits"),
        by_default=False,
        reference="Arpit and others 2017, A Closer Look at Memorization in Deep Networks",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        caveats = (
            "This finds wrong labels and hard pictures; a backdoor that was learned has low loss.",
        )
        return (yield from _run(ctx, -1.0, caveats))


DETECTORS = [LowLoss, HighLoss]
