"""STRIP: a trigger that overrules whatever is laid over the picture."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.pictures import at_size, in_batches
from inspector.detectors.tally import Tally


class Strip:
    """Minus the mean entropy of the answers when other pictures are laid over this one.

    The entropy is taken over the *classes* of each answer. A common implementation takes it over the
    overlays instead, which measures something else.
    """

    info = DetectorInfo(
        id="strip",
        title="STRIP",
        summary="Does the answer stay sure when other pictures are laid over this one?",
        version="1.0",
        needs=("labels", "activations"),
        passes=8.0,
        by_default=False,
        parameters=(
            Parameter(
                *("overlays", 8, "Pictures laid over each; one pass each.", 1, 100),
                scales_passes=True,
            ),
            Parameter("opacity", 0.5, "Of the overlay.", 0.05, 0.95),
        ),
        reference="Gao and others 2019, STRIP: A Defence Against Trojan Attacks (ACSAC)",
    )

    def run(
        self, ctx: Context, overlays: int = 8, opacity: float = 0.5
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        entropy = np.zeros(ctx.n)
        wanted = classes.rows
        over = ctx.rng.choice(wanted, size=min(len(wanted), 200), replace=False)
        pool = ctx.images(over.tolist()) if len(over) else []
        total = len(wanted)
        for done, rows, pictures in in_batches(ctx, wanted):
            yield Progress(done, total, "overlaying")
            for _ in range(overlays):
                chosen = ctx.rng.integers(0, len(pool), len(pictures))
                mixed = [
                    np.clip(
                        (1 - opacity) * picture.astype(np.float32)
                        + opacity * at_size(pool[other], picture.shape),
                        0,
                        255,
                    ).astype(np.uint8)
                    for picture, other in zip(pictures, chosen)
                ]
                entropy[rows] += answer_entropy(ctx.forward(mixed)) / overlays
        for group in classes.groups:
            tally.add(group, -entropy[group.rows])
        yield Progress(total, total, "done")
        return tally.finding(
            (
                "Triggers that cover the whole picture, or work on one class only, do not survive "
                "an overlay and are not seen.",
                "Entropies of networks with other numbers of classes cannot be compared.",
            )
        )


def answer_entropy(logits: np.ndarray) -> np.ndarray:
    """Return the entropy of every answer over its classes, (b, C) → (b,), bits."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    shares = odds / odds.sum(axis=1, keepdims=True)
    entropy: np.ndarray = -(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=1)
    return entropy


DETECTORS = [Strip]
