"""How a sample was learned over the checkpoints of a training run: backdoors early, noise never."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Progress
from inspector.detectors.groups import ClassGroups, Group
from inspector.detectors.tally import Tally
from inspector.statistics.courses import (
    EARLY,
    LATE,
    NEVER,
    early_learning,
    kind_of_course,
)
from inspector.statistics.gradients import margins

_NAMED = 3
"""Classes that a sentence names at most."""


class LossTrajectory:
    """Rise of the label's log odds from the oldest checkpoint to the model, against its class.

    In robust deviations, less half of what a sample lacks at the end. A trigger is learned early
    and better than the rest of the class; a wrong label late, by heart, or never. The artefact
    "kind" holds 0 for an ordinary course, 1 for learned early and better than its class, 2 for
    learned late, 3 for never learned.
    """

    info = DetectorInfo(
        id="loss-trajectory",
        title="Loss trajectory",
        summary="Was a sample learned early and better than its class (backdoor), or never (noise)?",
        version="1.0",
        needs=("labels", "activations", "logits", "margin_course"),
        in_ranking=True,
        reference="Li and others 2021, Anti-Backdoor Learning (NeurIPS); Toneva and others 2019, "
        "An Empirical Study of Example Forgetting (ICLR)",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, also=("logits", "margin_course"))
        tally = Tally(ctx, classes)
        logits, earlier = ctx.signal("logits"), ctx.signal("margin_course")
        kinds = np.zeros(ctx.n, np.int8)
        for done, group in enumerate(classes.groups):
            yield Progress(done, len(classes), group.name)
            last = margins(logits[group.rows], np.full(len(group.rows), group.label))
            course = np.column_stack([earlier[group.rows], np.nan_to_num(last)])
            kinds[group.rows] = kind_of_course(course)
            tally.add(group, early_learning(course))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                *_told(kinds, classes.groups),
                "It needs checkpoints from before the backdoor was learned, and while it was: the "
                "first epochs. Checkpoints from the end of training tell nothing apart.",
                "Hard pictures of a class are never learned either, and easy ones early.",
            ),
            {"kind": kinds},
        )


def _told(kinds: NDArray[np.int8], groups: list[Group]) -> list[str]:
    """Say how many samples were learned in which way, and where most of them are."""
    words = {
        EARLY: "learned early and better than the rest of their class, as a backdoor is",
        LATE: "learned late, by heart",
        NEVER: "never learned, as wrong labels are",
    }
    said = []
    for kind, text in words.items():
        counts = [(int((kinds[group.rows] == kind).sum()), group.name) for group in groups]
        most = sorted((pair for pair in counts if pair[0]), key=lambda pair: -pair[0])[:_NAMED]
        total = sum(count for count, _ in counts)
        if total:
            where = ", ".join(f"{name} {count:,}" for count, name in most)
            said.append(f"{total:,} samples were {text}; most in: {where}.")
    return said


DETECTORS = [LossTrajectory]
