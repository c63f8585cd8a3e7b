"""The spectral family with its three choices open: signal, whitening, score."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context, DetectorInfo, Finding, Parameter, Progress
from inspector.detectors.groups import ClassGroups, Group
from inspector.detectors.spectral_whitened import directions_for
from inspector.detectors.tally import Tally
from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.gradients import gradient_spectrum, with_bias
from inspector.statistics.neighbours import unit_rows
from inspector.statistics.quantum import quantum_entropy_scores
from inspector.statistics.radial_kurtosis import radial_kurtosis_directions
from inspector.statistics.spectra import principal_components
from inspector.statistics.tails import robust_distances

SIGNALS = ("activations", "gradients", "normalised gradients")
WHITENINGS = ("none", "others", "bulk")
SCORES = ("squared projection", "quantum entropy", "radial kurtosis")

_MOST = 24
_KEEP = 0.85


class SpectralFamily:
    """Every published spectral score is one choice of three things; here they are chosen freely.

    *Signal*: activations; the last layer's loss gradient; or its direction alone, which keeps the
    well-fitted samples that poison is made of. *Whitening*: none; by the within-class covariance of
    the other classes; by the robust covariance of the class's own bulk. *Score*: squared projection
    on the top direction (Tran and others 2018), quantum entropy (Hayase and others 2021), or the
    largest distance along directions of large fourth moment.
    """

    info = DetectorInfo(
        id="spectral-family",
        title="Spectral family",
        summary="A spectral score with its signal, whitening and score chosen by you.",
        version="1.0",
        needs=("labels", "activations", "logits"),
        by_default=False,
        parameters=(
            Parameter("signal", SIGNALS[0], "What is looked at.", choices=SIGNALS),
            Parameter("whitening", WHITENINGS[2], "What counts as ordinary.", choices=WHITENINGS),
            Parameter("score", SCORES[1], "How far out a sample is.", choices=SCORES),
            Parameter("directions", _MOST, "Leading directions that are kept.", 1, 100),
        ),
        reference="Tran and others 2018; Hayase and others 2021; Peña and Prieto 2001",
    )

    def run(
        self,
        ctx: Context,
        signal: str = SIGNALS[0],
        whitening: str = WHITENINGS[2],
        score: str = SCORES[1],
        directions: int = _MOST,
    ) -> Generator[Progress, None, Finding]:
        """Score every sample; see the class."""
        classes = ClassGroups(ctx, also=("residuals",) if ctx.has("residuals") else ("logits",))
        tally = Tally(ctx, classes)
        yield Progress(0, len(classes), "spread of all classes")
        others = None
        if whitening == "others":
            others = classes.whitening()
        for done, (group, rows) in enumerate(classes):
            yield Progress(done, len(classes), group.name)
            wanted = max(2, directions_for(len(rows), directions))
            inputs = (
                rows if others is None else others.leading_coordinates(done, max(wanted, 32))[1]
            )
            if signal == "activations":
                variances, along = _leading(inputs, wanted)
            else:
                variances, along = _gradients(ctx, group, inputs, wanted, signal == SIGNALS[2])
            live = variances > max(1e-9 * float(variances.max(initial=0)), 1e-30)
            if not live.any():
                tally.add(group, np.zeros(len(rows)), 1.0)
                continue
            along = along[:, live]
            if whitening == "bulk":
                along = _by_bulk(along / np.sqrt(variances[live]))
            tally.add(group, _score(along, score, ctx))
        yield Progress(len(classes), len(classes), "done")
        return tally.finding(
            (
                "A rare natural kind of sample scores like a planted group.",
                "Settings that are tried until something shows are no evidence by themselves.",
            )
        )


def _leading(
    rows: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, variances, directions = principal_components(rows, count)
    along = (rows - mean.astype(np.float32)) @ directions.astype(np.float32)
    return variances, along.astype(np.float64)


def _gradients(
    ctx: Context, group: Group, inputs: NDArray[np.float32], count: int, normalised: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return leading variances and coordinates of last-layer gradients r ⊗ [h, 1]."""
    residuals = np.asarray(ctx.signal("residuals")[group.rows], np.float32)
    layer = with_bias(np.ascontiguousarray(inputs, np.float32))
    if normalised:
        # |r ⊗ h| = |r| · |h|: each factor to length one makes the gradient one of length one.
        residuals, layer = unit_rows(residuals), unit_rows(layer)
    return gradient_spectrum(residuals, layer, count, tolerance=1e-3, rounds=3, depth=3)


def _by_bulk(along: NDArray[np.float64]) -> NDArray[np.float64]:
    location, covariance = concentrated_moments(along, _KEEP)
    whitened: NDArray[np.float64] = (along - location) @ whitener(covariance, 1e-3)
    return whitened


def _score(along: NDArray[np.float64], score: str, ctx: Context) -> NDArray[np.float64]:
    if score == SCORES[0]:
        centred = along - along.mean(axis=0)
        _, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
        squares: NDArray[np.float64] = (centred @ vectors[:, -1]) ** 2
        return squares
    if score == SCORES[1]:
        return quantum_entropy_scores(along)[0]
    if along.shape[1] < 2:
        return np.abs(robust_distances(along[:, 0])[0])
    distances, kurtosis = radial_kurtosis_directions(
        along, 12, seed=ctx.seed, check=ctx.check_cancelled
    )
    scale = 1.4826 * np.median(np.abs(distances), axis=0)
    weighted: NDArray[np.float64] = distances / np.where(scale > 0, scale, 1) * (kurtosis - 1)
    return weighted.max(axis=1)


DETECTORS = [SpectralFamily]
