"""Frequency artefacts: pictures with high frequencies where their class has none.

A trigger that was pasted, blended or added leaves frequencies that natural pictures of the class do
not have at that place: the sharp border of a patch fills one block of the picture with high
frequencies, a sinusoid fills many. The idea is that of Zeng, Park, Mao, Jia 2021, "Rethinking the
Backdoor Attacks' Triggers: A Frequency Perspective" (ICCV), without the network that they train on
made-up triggers. Only pictures are looked at, so poison that the model has not learned shows too.

This file is an example to copy: everything it needs is numpy and `inspector.api`.
``inspector plugin check FILE`` proves that a detector keeps the contract.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from inspector.api import ClassResult, Context, DetectorInfo, Finding, Parameter, Progress

CHUNK = 4096  # pictures between two points where the analyst can cancel
FEWEST = 8  # members of a class whose spectra can be compared


class Frequency:
    """Largest robust z-value, over the blocks of a picture, of its high-frequency energy."""

    info = DetectorInfo(
        id="frequency",
        title="Frequency artefacts",
        summary="Which pictures hold high frequencies at places where their class has none?",
        version="1.0",
        needs=("labels", "thumbnails"),
        parameters=(
            Parameter("block", 8, "Height and width of a block, pixels.", 4, 32),
            Parameter("lowest", 4, "Sum of row and column frequency that counts as high.", 1, 31),
        ),
        reference="Zeng, Park, Mao, Jia 2021, ICCV",
    )

    def run(
        self, ctx: Context, block: int = 8, lowest: int = 4
    ) -> Generator[Progress, None, Finding]:
        """Score every sample."""
        pictures = ctx.signal("thumbnails")  # (n, h, w, c) uint8, read-only
        energies, spectra = [], []
        for start in range(0, ctx.n, CHUNK):
            yield Progress(start, ctx.n, "spectra")
            squares = block_spectra(pictures[start : start + CHUNK], block)
            high = np.add.outer(np.arange(block), np.arange(block)) >= lowest
            energies.append(np.log1p(squares[..., high].sum(axis=-1)))
            spectra.append(np.log1p(squares.mean(axis=1)))
        energy = np.concatenate(energies)  # (n, blocks) float32
        spectrum = np.concatenate(spectra)  # (n, block, block) float32

        scores = np.full(ctx.n, np.nan, np.float32)
        residual = np.zeros((len(ctx.class_names), block, block), np.float32)
        found = []
        for label, rows in ctx.by_class():
            ctx.check_cancelled()
            if len(rows) < FEWEST:
                continue
            scores[rows] = robust_z(energy[rows]).max(axis=1)
            statistic = float(np.quantile(scores[rows], 0.98))
            found.append(ClassResult(label, statistic))
            residual[label] = spectrum[rows].mean(axis=0) - spectrum.mean(axis=0)
        yield Progress(ctx.n, ctx.n, "done")
        height, width = pictures.shape[1:3]
        return Finding(
            scores=scores,
            classes=found,
            verdict="none",  # nothing here is calibrated, so it never accuses by itself
            caveats=(
                "Smooth triggers leave no trace here; lettering, grids and scanned pictures do "
                "without being poison.",
                f"Looked at thumbnails of {height} × {width} pixels; what shrinking took away is "
                f"gone. Classes with fewer than {FEWEST} samples are not assessed.",
            ),
            artifacts={"mean_residual_spectrum": residual},
        )


def block_spectra(pictures: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return the squared cosine transform of every block, (n, blocks, size, size) float32.

    The last row and column are repeated until blocks fit: cutting would lose the border, where
    patches are put.
    """
    grey = pictures.mean(axis=3, dtype=np.float32)
    count, height, width = grey.shape
    grey = np.pad(grey, ((0, 0), (0, -height % size), (0, -width % size)), mode="edge")
    down, across = grey.shape[1] // size, grey.shape[2] // size
    blocks = grey.reshape(count, down, size, across, size).swapaxes(2, 3)
    basis = cosine_basis(size)
    return ((basis @ blocks @ basis.T) ** 2).reshape(count, down * across, size, size)


def cosine_basis(size: int) -> NDArray[np.float32]:
    """Return the orthonormal cosine transform (DCT-II) as a (size, size) matrix."""
    place, frequency = np.arange(size) + 0.5, np.arange(size)[:, None]
    basis = np.sqrt(2 / size) * np.cos(np.pi / size * frequency * place)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def robust_z(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each row lies above the median of its column, in robust deviations.

    Half a nat is the least deviation: blocks that are empty in nearly all pictures of a class would
    make a speck of noise infinite.
    """
    above = values - np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(above), axis=0)
    return (above / np.maximum(spread, 0.5)).astype(np.float32)


DETECTORS = [Frequency]
