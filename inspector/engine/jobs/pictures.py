"""Read samples at the size and in the colours of the network, for a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset
    from inspector.intake.models import SuspectModel

_CHUNK = 64
_FEWEST = 50
"""Pictures; with fewer there is nothing to measure on."""


def read_pictures(
    suspect: SuspectModel,
    dataset: Dataset,
    rows: NDArray[np.integer],
    stage: str,
    control: Control,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.integer]]:
    """Return pictures (n, H, W, C), their labels (n,), and the rows (n,) that could be read.

    Raises
    ------
    BadInput
        Fewer than 50 can be read.
    Cancelled
        By ``control``, between portions.
    """
    parts, kept = [], []
    for start in range(0, len(rows), _CHUNK):
        control.check()
        part = rows[start : start + _CHUNK]
        decoded = dataset.decode_batch(part)
        readable = [at for at, image in enumerate(decoded) if isinstance(image, np.ndarray)]
        if readable:
            found = [image for image in decoded if isinstance(image, np.ndarray)]
            parts.append(suspect.preprocess.undo(suspect.preprocess(found)))
            kept.append(part[readable])
        control.progress(stage, start + len(part), len(rows), "Reading pictures")
    if sum(len(part) for part in kept) < _FEWEST:
        raise BadInput(
            f"A training needs at least {_FEWEST} pictures with labels.",
            f"{sum(len(part) for part in kept)} can be read.",
            "Use more --images, or a larger dataset.",
        )
    chosen = np.concatenate(kept)
    return np.concatenate(parts), dataset.labels[chosen].astype(np.int64), chosen
