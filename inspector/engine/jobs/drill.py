"""Plant an attack in a copy of the data, let a copy of the model learn it, and scan what comes out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspector import places
from inspector.api import Control
from inspector.engine.jobs.detect import chosen_detectors
from inspector.engine.jobs.evidence import dataset_of, model_of, orientation_of
from inspector.engine.jobs.pictures import read_pictures
from inspector.engine.session import Session

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset
    from inspector.intake.models import SuspectModel


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    data: str,
    choice: dict[str, Any],
    class_names: list[str],
    plan: dict[str, Any],
    images: int,
    left_out: list[int],
    layer: str | None = None,
    detectors: list[str] | None = None,
    split: str | None = None,
    parameters: dict[str, dict[str, Any]] | None = None,
    only_budget: bool = False,
) -> dict[str, Any]:
    """Return what `exercise` measured; ``plan`` has the fields of its `Plan`.

    With ``only_budget`` nothing is planted or trained; what the training would take is returned.

    ``images`` of the data, none of the classes ``left_out``, are drawn with the plan's seed and
    brought to the size of the network's input once; several drills with one engine share them.
    ``parameters`` has values by detector, as in the case's scan.
    """
    from inspector.detectors import discover
    from inspector.drill.exercise import Plan, exercise, training_budget

    suspect = model_of(session, control, model, data, choice, split)
    dataset = dataset_of(session, data, split=split, orientation=orientation_of(choice))
    wanted = Plan(**plan)
    key = {"data": data, "split": split, "images": images, "seed": wanted.seed, **choice}
    key["left_out"] = left_out

    def make() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        with session.reading(Path(data)):
            return _pictures(suspect, dataset, images, left_out, wanted.seed, control)

    pictures, labels = session.keep("drill", key, make)
    if only_budget:
        return training_budget(suspect, pictures, labels, wanted)
    folder = session.folder("drills")
    for left in folder.glob("drill-*"):  # by a drill whose engine was killed
        shutil.rmtree(left, ignore_errors=True)
    entries = discover([places.bundled_plugins(), places.user_plugins()])
    return exercise(
        replace(suspect, layer=layer or suspect.layer),
        pictures,
        labels,
        class_names,
        wanted,
        entries=chosen_detectors(entries, detectors),
        parameters=parameters,
        folder=folder,
        control=control,
    )


def _pictures(
    suspect: SuspectModel,
    dataset: Dataset,
    count: int,
    left_out: list[int],
    seed: int,
    control: Control,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Decode random pictures that have a label, at the size and in the colours of the network."""
    known = (dataset.labels >= 0) & (dataset.labels < suspect.num_classes)
    labelled = np.flatnonzero(known & ~np.isin(dataset.labels, left_out))
    rows = np.sort(np.random.default_rng(seed).permutation(labelled)[:count])
    pictures, answers, _ = read_pictures(suspect, dataset, rows, "Drill: reading", control)
    return pictures, answers
