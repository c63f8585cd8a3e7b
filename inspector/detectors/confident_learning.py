"""Confident learning: wrong labels, so that label noise is not called poison."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.tally import Tally


class ConfidentLearning:
    """Normalised margin, raised where another class is predicted with more than its usual confidence.

    A sample counts as mislabelled when the model gives another class at least the mean probability
    that it gives to that class's own samples. The network was trained on these labels, so what it has
    learned by heart is not seen: a poison that it fits has the best margin of all.
    """

    info = DetectorInfo(
        id="confident-learning",
        title="Wrong labels",
        summary="Is another class predicted with the confidence it has in its own samples?",
        version="1.0",
        needs=("labels", "activations", "logits"),
        by_default=False,
        reference="Northcutt, Jiang, Chuang 2021, Confident Learning (JAIR)",
    )

    def run(self, ctx: Context) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, also=("logits",))
        tally = Tally(ctx, classes)
        logits = ctx.signal("logits")
        width = logits.shape[1]
        thresholds = np.full(width, np.inf)
        yield Progress(0, 2 * len(classes), "usual confidence")
        for group in classes.groups:
            if group.label < width:
                mine = _probabilities(logits[group.rows])[:, group.label]
                thresholds[group.label] = mine.mean()
        joint = np.zeros((len(classes), width), np.int64)
        for done, group in enumerate(classes.groups):
            yield Progress(len(classes) + done, 2 * len(classes), group.name)
            given = _probabilities(logits[group.rows])
            if group.label >= width:
                tally.add(group, np.zeros(len(given)), 1.0)
                continue
            confident = np.where(given >= thresholds, given, 0.0)
            own = given[:, group.label].copy()
            confident[:, group.label] = 0
            given[:, group.label] = 0
            counted = confident.max(axis=1) > 0
            joint[done] = np.bincount(confident[counted].argmax(axis=1), minlength=width)
            tally.add(group, given.max(axis=1) - own + counted, 1e-6 + float(counted.mean()))
        yield Progress(2 * len(classes), 2 * len(classes), "done")
        return tally.finding(
            (
                "It finds wrong labels that the network did not learn by heart, not poison: a learned "
                "backdoor looks perfectly labelled.",
                "The probabilities come from a network trained on these labels, not from "
                "cross-validation.",
            ),
            {"confidently_another_class": joint},
        )


def _probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    result: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
    return result


DETECTORS = [ConfidentLearning]
