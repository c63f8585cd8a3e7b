"""The map that is there at once: the first two principal components of the activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.session import Session


def run(
    session: Session,
    control: Control,
    *,
    arrays: dict[str, str],
    folder: str,
    seed: int = 0,
) -> dict[str, Any]:
    """Write ``map:pca``, (n, 2) float32, NaN where a sample was not assessed."""
    from inspector.projection import pca_map

    control.progress("Map", 0, 1, "Principal components")
    activations = np.load(
        session.derived / arrays["activations"], mmap_mode="r", allow_pickle=False
    )
    assessed = np.load(session.derived / arrays["assessed"], allow_pickle=False)
    rows = np.flatnonzero(assessed)
    placed = np.full((len(assessed), 2), np.nan, np.float32)
    if len(rows):
        placed[rows] = pca_map(activations, seed=seed, rows=rows)
    target = session.folder(folder)
    described = write_array(session, "map:pca", target / "pca.npy", placed)
    control.progress("Map", 1, 1, "Principal components placed")
    return {"arrays": [described]}
