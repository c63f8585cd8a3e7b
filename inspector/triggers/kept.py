"""Finished results of a search on disk, so that one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

import inspector
from inspector.errors import InspectorError
from inspector.triggers.registry import MethodEntry
from inspector.triggers.result import HISTORY, TriggerResult
from inspector.triggers.search import Search
from inspector.triggers.transformation import PARTS

_PICTURES = ("mask", "pattern", "history")
_PERHAPS = ("delta", "examples")
_ARRAYS = (*_PICTURES, *_PERHAPS, *PARTS)


def made_by(entry: MethodEntry, search: Search) -> str:
    """Return 16 hexadecimal digits for what makes a result what it is, but for class and network.

    The method in its version, a plugin's file and ours, how long and how thoroughly it searches, and
    on which pictures: what another one of these found is no result of this search.
    """
    said = {
        "method": [entry.id, entry.info.version if entry.info else "", entry.sha256],
        "inspector": inspector.__version__,
        "asked": [search.steps, search.quick, search.seed, search.num_classes],
        "pictures": search.pictures.digest,
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def place_of(entry: MethodEntry, search: Search, folder: Path) -> Path:
    """Return where in the folder of a search a method keeps classes and how far they are.

    Apart by `made_by`: what an earlier version left is not found there, so it is searched again.
    """
    return folder / f"{entry.id}.{made_by(entry, search)}"


def places_of(folder: Path, method: str) -> list[Path]:
    """Return every such place of a method below a folder, of whatever version."""
    return [place for place in folder.rglob(f"{method}.*") if place.is_dir()]


def keep_result(folder: Path, result: TriggerResult) -> None:
    """Write a result: arrays first, the description last and whole, so that it vouches for them.

    Raises
    ------
    InspectorError
        The disk is full or refuses.
    """
    stem = f"{result.class_index}-{result.method}"
    arrays = {name: getattr(result, name) for name in (*_PICTURES, *_PERHAPS)}
    arrays = {name: values for name, values in arrays.items() if values is not None}
    arrays |= result.weights or {}
    plain: dict[str, Any] = {
        "status": result.status,
        "reached": result.reached,
        "size": result.size,
        "looks": list(result.looks),
        "noise": list(result.noise),
        "mask_l1": result.mask_l1,
        "success_rate": result.success_rate,
        "success_interval": list(result.success_interval),
        "held_out": result.held_out,
        "controls": dict(result.controls),
        "details": dict(result.details),
        "steps": result.steps,
        "seed": result.seed,
        "notes": list(result.notes),
        "arrays": sorted(arrays),
    }
    path = folder / f"{stem}.kept.json"
    partial = path.with_name(f".{path.name}.partial")
    try:
        for name, values in arrays.items():
            np.save(folder / f"{stem}-{name}.kept.npy", values, allow_pickle=False)
        with partial.open("w", encoding="utf-8") as file:
            json.dump(plain, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InspectorError(
            f"The trigger of class {result.class_index} could not be written to the case.",
            f"{error.strerror or error}.",
            "Free space, then run the same command again: finished classes are kept.",
        ) from None


def forget_result(folder: Path, class_index: int, method: str) -> None:
    """Delete what `keep_result` wrote here, the description first."""
    stem = f"{class_index}-{method}"
    for name in (f"{stem}.kept.json", *(f"{stem}-{part}.kept.npy" for part in _ARRAYS)):
        (folder / name).unlink(missing_ok=True)


def kept_result(folder: Path, class_index: int, method: str) -> TriggerResult | None:
    """Return a result that `keep_result` wrote here; None when there is none, or it is damaged."""
    stem = f"{class_index}-{method}"
    try:
        plain = json.loads((folder / f"{stem}.kept.json").read_text("utf-8"))
        there = set(plain.pop("arrays")) & set(_ARRAYS)
        arrays = {
            name: np.load(folder / f"{stem}-{name}.kept.npy", allow_pickle=False) for name in there
        }
        weights = {name: arrays.pop(name) for name in PARTS if name in there} or None
        if weights is not None and len(weights) < len(PARTS):
            return None
        if arrays["history"].shape[1:] != (len(HISTORY),):
            return None
        for name in ("looks", "noise", "success_interval", "notes"):
            plain[name] = tuple(plain[name])
        return TriggerResult(class_index, method, **plain, **arrays, weights=weights)
    except (OSError, ValueError, TypeError, KeyError):
        return None
