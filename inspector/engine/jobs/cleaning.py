"""Train small copies without and with the tagged samples, and try a trigger on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.engine.jobs.carriers import recorded_stamp
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.jobs.pictures import read_pictures
from inspector.engine.session import Session


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    rows: list[int],
    removed: list[int],
    target: int,
    trigger: dict[str, str],
    trial: dict[str, Any],
    only_budget: bool = False,
    split: str | None = None,
) -> dict[str, Any]:
    """Return what `check_cleaning` measured on the samples ``rows``; ``trial`` is its `Trial`.

    ``removed`` are those of them that the cleaning takes away. They are read once for the budget
    and the training together.
    """
    from inspector.drill.cleaning import Trial, check_cleaning

    suspect = model_of(session, control, model, data, choice, split)
    dataset = dataset_of(session, data, split=split, orientation=orientation_of(choice))
    stamp = recorded_stamp(session, trigger, suspect.preprocess)
    wanted = np.asarray(rows, np.intp)
    wanted = wanted[(dataset.labels[wanted] >= 0) & (dataset.labels[wanted] < suspect.num_classes)]

    def make() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.integer]]:
        with session.reading(Path(data)):
            return read_pictures(suspect, dataset, wanted, "Cleaning: reading", control)

    key = {"data": data, "split": split, "rows": rows, **choice}
    pictures, labels, read = session.keep("cleaning", key, make)
    return check_cleaning(
        suspect,
        pictures,
        labels,
        np.isin(read, removed),
        target,
        stamp,
        Trial(**trial),
        only_budget=only_budget,
        control=control,
    )
