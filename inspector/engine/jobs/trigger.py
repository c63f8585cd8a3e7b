"""Search triggers for some classes; masks and patterns become arrays, the rest a plain table."""

from __future__ import annotations

from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.arrays import write_array
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.session import Session
from inspector.errors import BadInput


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    suspect_data: str,
    choice: dict[str, Any],
    classes: list[int],
    class_names: list[str],
    folder: str,
    data: str,
    data_role: str = "data",
    steps: int | None = None,
    data_limit: int = 1000,
    split: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the trigger document of the searched classes and the written arrays.

    ``data`` is where the pictures come from: the trusted reference set if there is one, else the
    suspect data itself. ``data_limit`` pictures are drawn evenly over the labels.
    """
    from inspector.triggers import STEPS, neural_cleanse, sample_rows, trigger_document

    suspect = model_of(session, control, model, suspect_data, choice, split)
    part = split if data_role == "data" else None
    dataset = dataset_of(session, data, data_role, part, orientation_of(choice))
    rows = sample_rows(dataset.labels, data_limit, seed)
    decoded = dataset.decode_batch(rows)
    readable = [at for at, image in enumerate(decoded) if isinstance(image, np.ndarray)]
    images = [image for image in decoded if isinstance(image, np.ndarray)]
    if not readable:
        raise BadInput(
            f"None of the {len(rows)} pictures drawn from {data} can be read.",
            "A trigger search puts patterns on pictures.",
            "Give readable pictures with --reference.",
        )
    names = {index: str(index) for index in range(suspect.num_classes)}
    names |= dict(enumerate(class_names))
    target = session.folder(folder)
    results, arrays = [], []
    for result in neural_cleanse(
        suspect,
        images,
        dataset.labels[rows[readable]],
        classes,
        steps=steps or STEPS,
        seed=seed,
        control=control,
    ):
        results.append(result)
        if result.status == "done":
            stem = f"{result.class_index}-{result.method}"
            arrays += [
                write_array(
                    session, f"trigger:{stem}:mask", target / f"{stem}-mask.npy", result.mask
                ),
                write_array(
                    session,
                    f"trigger:{stem}:pattern",
                    target / f"{stem}-pattern.npy",
                    result.pattern,
                ),
            ]
    document = trigger_document(results, names)
    for row, result in zip(document["classes"], results, strict=True):
        row["history"] = np.round(result.history.astype(float), 5).tolist()
        if result.status == "done":
            for part in ("mask", "pattern"):
                row[f"{part}_array"] = f"trigger:{result.class_index}-{result.method}:{part}"
    return {**document, "arrays": arrays}
