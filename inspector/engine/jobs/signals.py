"""Run the one pass over the data and name the arrays that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.arrays import describe
from inspector.engine.jobs.evidence import cleaned_model, dataset_of, model_of, orientation_of
from inspector.engine.session import Session

DECODING_PATIENCE = 900.0
"""Seconds without a word in the one pass: a chunk through a large network takes minutes."""


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    folder: str,
    layer: str | None = None,
    layers: Sequence[str] = (),
    limit: int | None = None,
    device: str = "cpu",
    sketch: int = 0,
    conv_sketch: int = 0,
    split: str | None = None,
    seed: int = 0,
    cleaned: dict[str, str] | None = None,
    stage: str = "Signals",
    course: bool = False,
) -> dict[str, Any]:
    """Return the written arrays, unreadable samples, device and seconds.

    ``limit`` assesses a seeded random subset of that many samples; the rest stays unassessed.
    ``cleaned`` names the weights that the strict engine wrote, to be read in place of ``model``.
    ``course`` keeps only how well the labels are fitted, for an earlier checkpoint of the model.
    """
    from inspector.signals import compute_signals

    dataset = dataset_of(session, data, split=split, orientation=orientation_of(choice))
    suspect = (
        cleaned_model(session, control, choice, **cleaned)
        if cleaned
        else model_of(session, control, model, data, choice, split)
    )
    rows = None
    if limit is not None and limit < len(dataset):
        rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:limit])
    # Pictures are decoded all the way through, and one of them can be built to hang a decoder.
    with session.reading(Path(data), seconds=DECODING_PATIENCE):
        signals = compute_signals(
            suspect,
            dataset,
            session.folder(folder),
            rows=rows,
            layer=layer,
            layers=layers,
            device=device,
            sketch=sketch,
            conv_sketch=conv_sketch,
            seed=seed,
            control=control,
            stage=stage,
            course=course,
        )
    control.check()
    return {
        "arrays": [describe(session, name, path) for name, path in signals.arrays.items()],
        "unreadable": [[int(row), str(reason)] for row, reason in signals.unreadable],
        "seconds": signals.seconds,
        "turned": len(dataset.turned),
        "resumed_from": signals.resumed_from,
        "device": device,
        "layer": layer or suspect.head,
        "layers": list(signals.layers),
    }
