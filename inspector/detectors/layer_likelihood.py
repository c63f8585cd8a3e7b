"""FLARE's idea for every network: how unlikely a sample's activations are, layer by layer."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Network, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.pictures import in_batches
from inspector.detectors.tally import Tally
from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.tails import robust_distances

_REFERENCE = 512
"""Random samples that say how each channel usually is."""


class LayerLikelihood:
    """How unusual the profile of lowest likelihoods over the layers is within the class.

    At each layer, the lowest log-density of any activation under the mean and deviation of its
    channel; together one number per layer. The published method reads mean and deviation from
    batch normalisation and finds nothing elsewhere; here they are measured on random samples, so
    that layer and group normalisation, and networks without any, do as well. It clusters all
    samples and calls the most stable cluster poison; here the profile's squared distance from the
    bulk of its class, robustly whitened, is the score.
    """

    info = DetectorInfo(
        id="layer-likelihood",
        title="Likelihood by layer (after FLARE)",
        summary="Are a sample's activations unlikely at layers where its class is not?",
        version="1.0",
        needs=("labels", "activations"),
        passes=1.0,
        by_default=False,
        parameters=(Parameter("layers", 0, "Last layers that count; 0 for all.", 0, 1000),),
        reference="After Hou and others 2024, FLARE: Towards Universal Dataset Purification "
        "against Backdoor Attacks",
    )

    def run(self, ctx: Context, layers: int = 0) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        wanted = classes.rows
        total = len(wanted)
        yield Progress(0, total, "measuring channels")
        names = hidden_modules(ctx.network)[-layers:] if total else []
        profile = np.zeros((ctx.n, len(names)))
        if total:
            some = np.sort(ctx.rng.permutation(wanted)[:_REFERENCE])
            sums = ctx.network.outputs(ctx.images(some.tolist()), names, _sums)
            usual = {name: _moments(values) for name, values in sums.items()}

            def lowest(name: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
                return lowest_likelihood(values, *usual[name])

            for done, rows, pictures in in_batches(ctx, wanted):
                yield Progress(done, total, "reading layers")
                found = ctx.network.outputs(pictures, names, lowest)
                profile[rows] = np.stack([found[name] for name in names], axis=1)
        for group in classes.groups:
            # Log-densities fall with the square of the distance: its root is closer to normal.
            far = np.sqrt(-profile[group.rows])
            spread = far.std(axis=0)
            far = (far / np.where(spread > 0, spread, 1.0))[:, spread > 0]
            if not far.shape[1] or len(far) <= 2 * far.shape[1]:
                tally.add(group, np.abs(robust_distances(far.sum(axis=1))[0]), 1.0)
                continue
            centre, bulk = concentrated_moments(far, 0.85)
            tally.add(group, (((far - centre) @ whitener(bulk, 1e-2)) ** 2).mean(axis=1))
        yield Progress(total, total, "done")
        return tally.finding(
            (
                "Pictures that are unusual by nature have unusual profiles too.",
                "A trigger that looks to every layer like ordinary content is not seen.",
            )
        )


def hidden_modules(network: Network) -> list[str]:
    """Return all normalisations, or where there are none all layers but the last."""
    norms = [module.name for module in network.modules if module.kind == "norm"]
    return norms or [module.name for module in network.modules][:-1] or [network.modules[0].name]


def lowest_likelihood(
    values: NDArray[np.floating], mean: NDArray[np.floating], deviation: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the lowest log-density of each sample's activations under its channel's normal law.

    ``values`` (b, c, places), ``mean`` and ``deviation`` (c,); up to a constant of the layer, at
    most 0. (b,)
    """
    apart = (values.astype(np.float64) - mean[:, None]) / deviation[:, None]
    lowest: NDArray[np.float64] = -0.5 * np.nan_to_num(apart**2, nan=0.0, posinf=1e12).max(
        axis=(1, 2)
    )
    return lowest


def _sums(name: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
    clean = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e15, neginf=-1e15)
    return np.stack([clean.mean(axis=2), (clean**2).mean(axis=2)], axis=1)


def _moments(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of every channel, over samples and places, each (c,)."""
    mean, square = sums.mean(axis=0)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return mean, np.maximum(deviation, max(1e-3 * float(deviation.max()), 1e-12))


DETECTORS = [LayerLikelihood]
