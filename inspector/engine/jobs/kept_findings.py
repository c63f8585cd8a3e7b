"""What a detector's result depends on, so that one that would come out the same is not run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import inspector
from inspector.detectors import Entry
from inspector.detectors.execution import ContractBroken, parameter_values
from inspector.engine.jobs.environment import cpu_model, versions


def step_keys(
    entries: Sequence[Entry],
    parameters: Mapping[str, Mapping[str, Any]],
    base: str,
    seed: int,
) -> dict[str, str]:
    """Return the key of each detector's run, by id; none where it cannot be told.

    It stands for the signals, the detector's file and values, Inspector's own code, and the packages
    and processor that it is computed with. A detector that reads the combined ranking depends on the
    detectors that make it, too. One out of an installed package may import what is not known here.

    Parameters
    ----------
    entries : sequence of Entry
        All that run together.
    parameters : mapping of str to mapping
        Values by detector id.
    base : str
        Stands for the signals and everything that they depend on.
    seed : int
    """
    common = {"base": base, "seed": seed, "code": _code(), "on": [versions(), cpu_model()]}
    keys: dict[str, str] = {}
    for entry in entries:
        if entry.info is None or entry.origin.startswith("package"):
            continue
        try:
            values = parameter_values(entry.info, parameters.get(entry.id, {}))
        except ContractBroken:
            continue
        # As JSON, not as Python compares: 1 and True are two values.
        keys[entry.id] = _digest({**common, "file": entry.sha256, "id": entry.id, "with": values})
    ranking = [keys.get(entry.id) for entry in entries if entry.info and entry.info.in_ranking]
    for entry in entries:
        if entry.info is not None and "combined" in entry.info.needs and entry.id in keys:
            if None in ranking:
                del keys[entry.id]
            else:
                keys[entry.id] = _digest({"own": keys[entry.id], "ranking": ranking})
    return keys


def to_be_kept(
    entries: Sequence[Entry], keys: Mapping[str, str], kept: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the files of scores by detector that need not run, as its key is that of its last run.

    Parameters
    ----------
    entries : sequence of Entry
        All that run together.
    keys : mapping of str to str
        From `step_keys`.
    kept : mapping of str to mapping
        By detector the ``key`` of its last run and the file of its ``scores``.
    """
    same = {name: row["scores"] for name, row in kept.items() if row["key"] == keys.get(name)}
    if all(one.id in same for one in entries if one.info and one.info.in_ranking):
        return same
    # One of the ranking that runs may fail, or no longer fail: the ranking would be another.
    readers = {one.id for one in entries if one.info and "combined" in one.info.needs}
    return {name: scores for name, scores in same.items() if name not in readers}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _code() -> str:
    """Return a digest of Inspector's own code: detectors share much of it."""
    digest = hashlib.sha256(inspector.__version__.encode())
    for file in sorted(Path(inspector.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
