"""Measure what the pipeline would have seen in one class, and return the power map."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from inspector.api import Control
from inspector.engine.session import Session

if TYPE_CHECKING:
    from inspector.detectors.canaries import Canary


def run(
    session: Session,
    control: Control,
    *,
    arrays: dict[str, str],
    class_names: list[str],
    label: int,
    verified: int = 500,
    runs: int = 10,
    canary: Canary = "features",
    seed: int = 0,
    parameters: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the fields of `Limits`; ``arrays`` maps names of signals to files."""
    from threadpoolctl import threadpool_limits

    from inspector.detectors.limits import power_map

    loaded = {
        name: np.load(session.derived / arrays[name], mmap_mode="r", allow_pickle=False)
        for name in ("labels", "assessed", "activations", "logits")
        if name in arrays
    }
    rows = np.flatnonzero(loaded["assessed"])
    # Hundreds of small problems: a second thread would only be waited for.
    with threadpool_limits(1, user_api="blas"):
        limits = power_map(
            {name: loaded[name][rows] for name in ("activations", "logits") if name in loaded},
            np.asarray(loaded["labels"])[rows],
            class_names,
            label,
            verified=verified,
            runs=runs,
            canary=canary,
            seed=seed,
            parameters=parameters,
            control=control,
        )
    return asdict(limits)
