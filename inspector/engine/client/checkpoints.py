"""Earlier checkpoints of the training run: taken in like the model, and run over the same samples.

How well a label is fitted over the course of training tells a backdoor, which is learned early and
better than the rest of its class, from a wrong label, which is learned late or never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from inspector.case import Case
from inspector.case.checkpoints import CHECKPOINTS, checkpoint_rows
from inspector.engine.client.options import ScanOptions
from inspector.engine.client.refused import keep_refused
from inspector.engine.client.runs import keep_environment, keep_run
from inspector.engine.client.steps import Emit, RunJob, key_of, register
from inspector.engine.client.taking_in import record
from inspector.engine.client.told_evidence import check_told
from inspector.errors import InspectorError, RefusedFile

CHECKPOINT = "checkpoint "
"""What the name of a checkpoint's run in the case begins with; its key follows."""

_NOT_OF_THE_RUN = ("container", "select", "file", "sha256")
"""What a model spec states of the model's own file and not of every file of the training run."""


def course(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    choice: dict[str, Any],
    emit: Emit,
    device: str,
) -> dict[str, str]:
    """Take the checkpoints in, and measure how well every label was fitted at each of them.

    A checkpoint that the case has measured before is opened and compared with its recorded digest,
    and not run again.

    Returns
    -------
    dict of str to str
        Files of the arrays "course:loss:KEY" and "course:margin:KEY", those of the oldest
        checkpoint first.

    Raises
    ------
    BadInput
        A checkpoint cannot be read, does not fit the network, or is not what was recorded.
    """
    former = {str(row["key"]): row for row in checkpoint_rows(case)}
    rows: list[dict[str, Any]] = []
    for place, path in enumerate(options.checkpoints):
        stage = f"Checkpoint {place + 1} of {len(options.checkpoints)}"
        emit({"event": "stage", "stage": stage, "state": "started"})
        taken, contents = _take_in(case, run, options, path, choice["spec"])
        spec = spec_of(choice["spec"], taken["sha256"])
        key = key_of(
            spec=spec,
            digest=case.get("dataset", {})["digest"],
            limit=options.limit,
            seed=options.seed if options.limit else 0,
        )
        row = former.get(key)
        if row is None or not all(case.has_array(name) for name in row["arrays"]):
            row = _measure(case, run, options, path, spec, key, stage, device, emit)
        rows.append({**row, **taken, "contents": contents})
        emit({"event": "stage", "stage": stage, "state": "done"})
    if rows or case.get(CHECKPOINTS):
        case.set(CHECKPOINTS, rows)
    said = warnings_of(rows, str(choice["spec"]["sha256"]))
    if said:
        case.set("warnings", [*case.get("warnings", []), *said])
    for warning in said:
        emit({"event": "log", "text": warning, "level": "warning"})
    known = case.arrays()
    return {
        name: known[name].path
        for row in rows
        if row["sha256"] != choice["spec"]["sha256"]
        for name in row["arrays"]
    }


def spec_of(spec: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Return how a checkpoint is rebuilt: as the model is, from another file."""
    stated = dict(spec.get("stated") or {})
    sections = dict(stated.get("stated") or {})
    if "weights" in sections:
        kept = {k: v for k, v in sections["weights"].items() if k not in _NOT_OF_THE_RUN}
        stated["stated"] = {**sections, "weights": kept}
    return {**spec, "sha256": sha256, "stated": stated}


def warnings_of(rows: Sequence[Mapping[str, Any]], model: str) -> list[str]:
    """Return what must be said of the checkpoints: the model among them, an odd order."""
    said = [
        f"The checkpoint {Path(row['path']).name} holds the same bytes as the model and is left out."
        for row in rows
        if row["sha256"] == model
    ]
    for before, after in pairwise(rows):
        if after["mean_loss"] > before["mean_loss"]:
            said.append(
                f"The labels are fitted worse at the checkpoint {Path(after['path']).name} than at "
                f"{Path(before['path']).name} before it: are they in order, oldest first?"
            )
    return said


def _take_in(
    case: Case, run: RunJob, options: ScanOptions, path: Path, spec: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let the engine open a checkpoint; return what is recorded of it, and what it contains."""
    before = next(
        (one for one in case.evidence() if (one.role, one.path) == ("checkpoint", str(path))), None
    )
    seen = before.fingerprint() if before else ""
    try:
        found = run(
            "checkpoint", checkpoint=str(path), data=str(options.data), spec=spec_of(spec, "")
        )
    except RefusedFile as error:
        keep_refused(case, path, error)
        raise
    item = found["checkpoint"]
    check_told([item], options)
    if item["role"] != "checkpoint" or item["path"] != str(path):
        raise InspectorError("The engine speaks of another file than it was asked to read.")
    record(case, item, before, seen)
    taken = {"path": str(path), "sha256": str(item["sha256"]), "size": int(item["size"])}
    return taken, dict(found["contents"])


def _measure(
    case: Case,
    run: RunJob,
    options: ScanOptions,
    path: Path,
    spec: dict[str, Any],
    key: str,
    stage: str,
    device: str,
    emit: Emit,
) -> dict[str, Any]:
    """Run a checkpoint over the samples and keep how well it fits them."""
    result = run(
        "signals",
        model=str(path),
        data=str(options.data),
        choice={"spec": spec},
        folder=f"checkpoint-{key}",
        limit=options.limit,
        device=device,
        split=options.split,
        seed=options.seed,
        stage=stage,
        course=True,
    )
    wanted = {kind: f"course:{kind}:{key}" for kind in ("loss", "margin")}
    arrays = [
        {**item, "name": wanted[item["name"]]}
        for item in result["arrays"]
        if item["name"] in wanted
    ]
    environment = run("environment")
    with case.transaction():
        register(case, arrays, emit)
        keep_run(
            case,
            f"{CHECKPOINT}{key}",
            keep_environment(case, environment),
            list(wanted.values()),
            device=str(result["device"]),
            limit=options.limit,
            seed=options.seed,
        )
    return {
        "key": key,
        "arrays": list(wanted.values()),
        "seconds": float(result["seconds"]),
        **_fit(case, wanted),
    }


def _fit(case: Case, arrays: Mapping[str, str]) -> dict[str, float]:
    """Return the mean loss, and the share of labels that got more than half of the probability."""
    losses = np.asarray(case.array(arrays["loss"]))
    found = losses[np.isfinite(losses)]
    if not len(found):
        return {"mean_loss": 0.0, "fitted": 0.0}
    return {
        "mean_loss": float(found.mean(dtype=np.float64)),
        "fitted": float((found < np.log(2)).mean()),
    }
