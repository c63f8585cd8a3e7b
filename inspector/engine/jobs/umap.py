"""The UMAP map; in an engine of its own, since a fit inside numba can only be killed."""

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
    arrays: dict[str, str] | None = None,
    folder: str = "",
    seed: int = 0,
    neighbours: int = 15,
) -> dict[str, Any]:
    """Write ``map:umap`` (n, 2) float32 and ``neighbours`` (n, k) int32; warm up without arrays.

    The warm-up compiles what numba needs, 10 to 60 s, while another engine computes the signals.
    """
    from inspector.projection import nearest_neighbours, umap_map, warm_up

    stage = "UMAP"
    control.progress(stage, 0, 3, "Compiling (first use only)")
    session.keep("warm", {}, warm_up)
    if arrays is None:
        return {}
    activations = np.load(
        session.derived / arrays["activations"], mmap_mode="r", allow_pickle=False
    )
    assessed = np.load(session.derived / arrays["assessed"], allow_pickle=False)
    rows = np.flatnonzero(assessed)
    x = np.asarray(activations[rows], np.float32)
    control.progress(stage, 1, 3, "Nearest neighbours")
    ids, distances = nearest_neighbours(x, k=neighbours, seed=seed)
    control.progress(stage, 2, 3, "Placing samples")
    placed = np.full((len(assessed), 2), np.nan, np.float32)
    placed[rows] = umap_map(x, ids, distances, seed=seed)
    near = np.full((len(assessed), ids.shape[1]), -1, np.int32)
    # Neighbours come back as positions among the assessed samples; the case counts from the source.
    near[rows] = np.where(ids >= 0, rows[np.clip(ids, 0, None)], -1)
    target = session.folder(folder)
    described = [
        write_array(session, "map:umap", target / "umap.npy", placed),
        write_array(session, "neighbours", target / "neighbours.npy", near),
    ]
    control.progress(stage, 3, 3, "UMAP placed")
    return {"arrays": described}
