"""Fill the folder of an export. This engine was started for it and may write nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from inspector.api import Control
from inspector.engine.session import Session


def run(
    session: Session,
    control: Control,
    *,
    data: str,
    digest: str,
    role: str,
    target: str,
    folder: str,
    asked: str,
    split: str | None = None,
    with_quarantine: bool = False,
) -> dict[str, Any]:
    """Return what `Filled.as_answer` says of the filled folder.

    Parameters
    ----------
    session, control
        The engine's.
    data : str
        Path of the evidence.
    digest : str
        `Dataset.digest` at the time of the scan.
    role : str
        One of `inspector.export.cleaned.ROLES`.
    target : str
        The name that the folder will have, for what is said of it.
    folder, asked : str
        Names below the session's folder: what is to be filled; where ``drop.npy`` (bool, (n,)) and
        ``reasons.json`` (values by row) lie.
    split : str, optional
        Of the dataset.
    with_quarantine : bool
        Whether a quarantine follows on the same disk.
    """
    from inspector.export.dataset.filling import fill
    from inspector.export.dataset.lists import fill_lists
    from inspector.export.dataset.plan import plan_export, plan_quarantine
    from inspector.intake.datasets import open_dataset

    place = session.derived / asked
    drop = np.load(place / "drop.npy", allow_pickle=False)
    reasons = {
        int(row): values for row, values in json.loads((place / "reasons.json").read_text()).items()
    }
    with session.reading(Path(data)):
        dataset = open_dataset(Path(data), split=split)
    # Hashed with reports and cancels, so that the plan finds it done.
    dataset.digest(control)
    plan = plan_export(dataset, drop, digest=digest)
    into = session.folder(folder)
    common: dict[str, Any] = {"target": Path(target), "reasons": reasons, "control": control}
    if role == "lists":
        return fill_lists(plan, into, **common).as_answer()
    if role == "quarantine":
        return fill(plan_quarantine(plan), into, **common).as_answer()
    beside = plan_quarantine(plan).bytes if with_quarantine else 0
    return fill(plan, into, beside=beside, **common).as_answer()
