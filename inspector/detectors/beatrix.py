"""Beatrix: how channels of a layer go together, against how they do in the rest of the class."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups
from inspector.detectors.inside import last_modules
from inspector.detectors.pictures import in_batches
from inspector.detectors.tally import Tally

ORDERS = (1, 2, 3, 4, 5, 6, 7, 8)
_REFERENCE = 100
"""Random members of a class that say how its Gramian matrices usually are."""
_WIDEST = 32
"""Channels up to which all pairs are compared; of wider layers, the sums of the rows."""

Bounds = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class Beatrix:
    """How far the Gramian features of a sample lie outside of what is usual in its class.

    For each order p, the entries of the Gramian matrix of the layer's output to the power p, and
    of those the p-th root. A port left out the power, so that all its orders said the same. The
    published method takes what is usual from clean samples; here median and deviation (MAD) of
    random members of the class itself stand for them, which up to a half of poison cannot move.
    """

    info = DetectorInfo(
        id="beatrix",
        title="Gramian matrices (Beatrix)",
        summary="Do the channels of the last layers go together as they do in the class?",
        version="1.0",
        needs=("labels", "activations"),
        passes=2.0,
        by_default=False,
        parameters=(
            Parameter("layers", 2, "Last layers that are looked at.", 1, 8),
            Parameter("deviations", 3.0, "What lies within so many is usual.", 0.0, 100.0),
        ),
        reference="Ma and others 2023, The Beatrix Resurrections: Robust Backdoor Detection via "
        "Gram Matrices (NDSS)",
    )

    def run(
        self, ctx: Context, layers: int = 2, deviations: float = 3.0
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx)
        tally = Tally(ctx, classes)
        names = last_modules(ctx.network, layers) if classes.groups else []
        total = len(classes.rows)
        done = 0
        for group in classes.groups:
            some = np.sort(ctx.rng.permutation(group.rows)[:_REFERENCE])
            yield Progress(done, total, f"{group.name}: what is usual")
            known = ctx.network.outputs(ctx.images(some.tolist()), names, _features)
            usual = {name: _bounds(values, deviations) for name, values in known.items()}

            def outside(
                name: str,
                values: NDArray[np.float32],
                usual: dict[str, Bounds] = usual,
            ) -> NDArray[np.float64]:
                low, high, unit = usual[name]
                found = _features(name, values)
                beyond = np.maximum(low - found, 0) + np.maximum(found - high, 0)
                return (beyond / unit).mean(axis=1)

            scores = np.empty(len(group.rows))
            for start, rows, pictures in in_batches(ctx, group.rows):
                yield Progress(done + start, total, group.name)
                beyond = ctx.network.outputs(pictures, names, outside)
                scores[start : start + len(rows)] = sum(np.log1p(beyond[name]) for name in names)
            tally.add(group, scores)
            done += len(group.rows)
        yield Progress(total, total, "done")
        return tally.finding(
            (
                "Rare and badly drawn pictures of a class are unusual too.",
                "Poison that makes up half of a class is what is usual there, and stays unseen.",
            )
        )


def gramian_features(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Gramian features of outputs (b, c, places), (b, 8 · pairs).

    For p in 1 … 8: the upper triangle of F^p (F^p)ᵀ and of that the signed p-th root; for wide
    layers the sums of the rows instead of the triangle (as Sastry and Oore 2020 have it).
    """
    width = values.shape[1]
    upper = np.triu_indices(width)
    found = []
    powers = np.ones(values.shape)
    for order in ORDERS:
        powers = powers * values  # many times faster than a power
        if width <= _WIDEST:
            entries = (powers @ powers.transpose(0, 2, 1))[:, upper[0], upper[1]]
        else:
            entries = (powers * powers.sum(axis=1, keepdims=True)).sum(axis=2)
        found.append(np.sign(entries) * np.abs(entries) ** (1 / order))
    return np.concatenate(found, axis=1)


def _features(name: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
    return gramian_features(
        np.nan_to_num(values, nan=0.0, posinf=1e15, neginf=-1e15).clip(-1e15, 1e15)
    )


def _bounds(features: NDArray[np.float64], deviations: float) -> Bounds:
    """Return the lowest and highest usual value of each feature, and its deviation (MAD)."""
    middle = np.median(features, axis=0)
    apart = np.median(np.abs(features - middle), axis=0)
    # A channel that is silent in most of the class has no deviation: any answer would be endless.
    unit = np.maximum(apart, max(0.1 * float(np.median(apart)), 1e-12))
    return middle - deviations * unit, middle + deviations * unit, unit


DETECTORS = [Beatrix]
