"""Measure what the pipeline would have seen in one class, and return the power map."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.session import Session


def run(
    session: Session,
    control: Control,
    *,
    arrays: dict[str, str],
    class_names: list[str],
    label: int,
    verified: int = 500,
    runs: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the fields of `Limits`; ``arrays`` maps labels, assessed and activations to files."""
    from inspector.detectors.limits import power_map

    loaded = {
        name: np.load(session.derived / arrays[name], mmap_mode="r", allow_pickle=False)
        for name in ("labels", "assessed", "activations")
    }
    rows = np.flatnonzero(loaded["assessed"])
    limits = power_map(
        loaded["activations"][rows],
        np.asarray(loaded["labels"])[rows],
        class_names,
        label,
        verified=verified,
        runs=runs,
        seed=seed,
        control=control,
    )
    return asdict(limits)
