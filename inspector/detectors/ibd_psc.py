"""IBD-PSC: a backdoor's answer stays sure when the network's own parameters are amplified."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Network, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.pictures import in_batches
from inspector.detectors.tally import Tally
from inspector.statistics.tails import robust_distances

COPIES = 5
"""Amplified networks that each picture is shown to."""
_PROBED = 256
"""Random pictures by which the number of amplified layers is chosen."""
_MOST_PASSES = 40
"""Layers that are tried at most while choosing."""


class ParameterScaling:
    """Mean probability of the first answer over networks whose last layers are amplified.

    The fewest layers with which more than ``changed`` of the answers to random pictures change are
    found first; the copies amplify so many and one, two, three, four more. A common implementation
    finds nothing when no number of layers reaches that share; here the number that changes most is
    taken then. Every sample is scored, rightly answered or not. The paper scales the
    normalisations; where a network has none, its convolutions and hidden linear layers stand in.
    """

    info = DetectorInfo(
        id="ibd-psc",
        title="Parameter scaling (IBD-PSC)",
        summary="Does the answer stay sure when the network's last layers are amplified?",
        version="1.0",
        needs=("labels", "activations", "predicted"),
        passes=float(COPIES),
        by_default=False,
        parameters=(
            Parameter("factor", 1.5, "Weight and bias are multiplied by it.", 1.01, 10),
            Parameter("changed", 0.6, "Share of changed answers that is enough.", 0.05, 1.0),
        ),
        reference="Hou and others 2024, IBD-PSC: Input-level Backdoor Detection via "
        "Parameter-oriented Scaling Consistency (ICML)",
    )

    def run(
        self, ctx: Context, factor: float = 1.5, changed: float = 0.6
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        wanted = classes.rows
        yield Progress(0, len(wanted), "choosing layers")
        scores = np.zeros(ctx.n)
        caveats = []
        if len(wanted):
            names, normal = scalable(ctx.network)
            if not normal:
                caveats.append(
                    "The network has no normalisation layers; its other layers were amplified "
                    "instead, which the method was not published for."
                )
            first = np.asarray(ctx.signal("predicted"))
            some = np.sort(ctx.rng.permutation(wanted)[:_PROBED])
            pictures = ctx.images(some.tolist())
            shares = []
            for count in range(1, min(len(names), _MOST_PASSES) + 1):
                answers = ctx.network.scaled(pictures, names[-count:], factor).argmax(axis=1)
                shares.append(float((answers != first[some]).mean()))
                if shares[-1] > changed:
                    break
            fewest = fewest_layers(shares, changed)
            if shares[fewest - 1] <= changed:
                caveats.append(
                    f"No number of amplified layers changes {changed:.0%} of the answers; the "
                    f"one that changes most ({shares[fewest - 1]:.0%}) was taken."
                )
            ctx.log(f"The last {fewest} of {len(names)} layers are amplified first.")
            counts = [min(fewest + more, len(names)) for more in range(COPIES)]
            for done, rows, pictures in in_batches(ctx, wanted):
                yield Progress(done, len(wanted), "amplifying")
                for count in counts:
                    logits = ctx.network.scaled(pictures, names[-count:], factor)
                    scores[rows] += probability(logits, first[rows]) / COPIES
        for group in classes.groups:
            # Probabilities crowd at both ends, where deviations from the median mean nothing.
            sure = np.clip(scores[group.rows], 1e-4, 1 - 1e-4)
            tally.add(group, scores[group.rows], robust_distances(np.log(sure / (1 - sure)))[1])
        yield Progress(len(wanted), len(wanted), "done")
        return tally.finding(
            (
                "Genuine pictures of the easiest classes, and of the class that the amplified "
                "network falls back on, keep their answer too: compare within a class.",
                *caveats,
            )
        )


def scalable(network: Network) -> tuple[list[str], bool]:
    """Return the layers to amplify in the order of computing, and whether they normalise."""
    norms = [module.name for module in network.modules if module.kind == "norm"]
    if norms:
        return norms, True
    # The last layer makes the logits: amplifying it changes no answer.
    return [module.name for module in network.modules][:-1] or [network.modules[-1].name], False


def fewest_layers(shares: list[float], changed: float) -> int:
    """Return the first count, from 1, whose share is above, or the one with the largest share."""
    above = np.flatnonzero(np.asarray(shares) > changed)
    return int(above[0] if len(above) else np.argmax(shares)) + 1


def probability(logits: NDArray[np.floating], answers: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the probability of one answer each, (b, C) and (b,) → (b,); NaN logits give 0."""
    values = np.nan_to_num(logits.astype(np.float64), nan=0.0)
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = odds[np.arange(len(odds)), answers] / odds.sum(axis=1)
    return found


DETECTORS = [ParameterScaling]
