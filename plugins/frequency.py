"""Frequency artefacts: samples whose spectrum does not belong to their class.

Copy this file to start a detector of your own; ``inspector plugin check FILE`` proves its contract.

A trigger that was pasted, blended or added leaves traces in frequencies that natural pictures of
the class hardly use: the sharp border of a patch spreads over all high frequencies, a sinusoid fills
one. The idea is that of Zeng, Park, Mao, Jia 2021, "Rethinking the Backdoor Attacks' Triggers: A
Frequency Perspective" (ICCV), without the network that they train on synthetic triggers. Only the
pictures are looked at, so this also finds poison that the model has not learned.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress

CHUNK = 4096  # pictures between two points where the analyst can cancel
FEWEST = 8  # members of a class whose spectra can be compared


class Frequency:
    """Largest robust z-value of a sample's band energies among those of its class."""

    info = DetectorInfo(
        id="frequency",
        title="Frequency artefacts",
        summary="Which pictures hold frequencies that others of their class do not?",
        version="1.0",
        needs=("labels", "thumbnails"),
        parameters=(
            Parameter("bands", 8, "Bands per axis that the spectrum is summed into.", 3, 16),
            Parameter("lowest", 2, "Bands nearest to zero frequency that are left out.", 0, 8),
        ),
        reference="Zeng, Park, Mao, Jia 2021, ICCV",
    )

    def run(
        self, ctx: Context, bands: int = 8, lowest: int = 2
    ) -> Generator[Progress, None, Finding]:
        """Score every sample."""
        pictures = ctx.signal("thumbnails")  # (n, h, w, c) uint8, read-only
        height, width = pictures.shape[1:3]
        rows, columns = band_sums(height, bands), band_sums(width, bands)
        energy = np.zeros((ctx.n, len(rows), len(columns)), np.float32)
        for start in range(0, ctx.n, CHUNK):
            yield Progress(start, ctx.n, "spectra")
            grey = pictures[start : start + CHUNK].mean(axis=3, dtype=np.float32)
            spectrum = cosine_basis(height) @ grey @ cosine_basis(width).T
            energy[start : start + CHUNK] = np.log1p(rows @ spectrum**2 @ columns.T)

        # Low frequencies are what the picture shows; what differs there is seldom an artefact.
        order = np.add.outer(np.arange(len(rows)), np.arange(len(columns)))
        kept = energy[:, order >= lowest]
        scores = np.full(ctx.n, np.nan, np.float32)
        found, residuals = [], np.zeros((len(ctx.class_names), *energy.shape[1:]))
        for label, members in ctx.by_class():
            ctx.check_cancelled()
            if len(members) < FEWEST or not kept.shape[1]:
                continue
            distances = robust_z(kept[members])
            scores[members] = distances.max(axis=1)
            tail = float(np.quantile(scores[members], 0.99))
            found.append(ClassResult(label, statistic=tail))
            residuals[label] = energy[members].mean(axis=0) - energy.mean(axis=0)
        yield Progress(ctx.n, ctx.n, "done")
        return Finding(
            scores=scores,
            classes=found,
            # Without verified samples nothing is calibrated, so this one never accuses by itself.
            verdict="none",
            caveats=(
                "Smooth and low-frequency triggers leave no trace here; text, grids and scanned "
                "pictures do without being poison.",
                f"Looks at thumbnails of {height} by {width} pixels; what shrinking removed is gone. "
                f"Classes with fewer than {FEWEST} samples are not assessed.",
            ),
            artifacts={"mean_residual_spectrum": residuals},
        )


def cosine_basis(size: int) -> NDArray[np.float32]:
    """Return the orthonormal cosine transform (DCT-II) as a (size, size) matrix."""
    place, frequency = np.arange(size) + 0.5, np.arange(size)[:, None]
    basis = np.sqrt(2 / size) * np.cos(np.pi / size * frequency * place)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def band_sums(size: int, bands: int) -> NDArray[np.float32]:
    """Return a (bands, size) matrix that sums coefficients into bands of about equal width."""
    bands = min(bands, size)
    return (np.arange(size) * bands // size == np.arange(bands)[:, None]).astype(np.float32)


def robust_z(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each row lies above the median of its column, in robust deviations."""
    above = values - np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(above), axis=0)
    return above / np.maximum(spread, 0.05)


DETECTORS = [Frequency]
