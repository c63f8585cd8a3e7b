"""A reconstructed trigger as pictures in a folder: mask, pattern, and samples before and after."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.case import Case, trigger_id
from inspector.case.canonical import valid_unicode
from inspector.case.trigger_choice import trigger_form
from inspector.errors import BadInput
from inspector.export.atomic import building

SCHEMA = "inspector/stamp/1"


def check_target(target: Path) -> None:
    """Refuse a folder that is there already, or has nowhere to lie.

    Raises
    ------
    BadInput
    """
    if os.path.lexists(target):
        raise BadInput(
            f"{target} is there already.", "Nothing is overwritten.", "Name a new folder."
        )
    if not target.absolute().parent.is_dir():
        raise BadInput(
            f"{target.parent} is not a folder.", "The new folder would lie in it.", "Make it first."
        )


def example_rows(case: Case, target: int, count: int, seed: int) -> list[int]:
    """Draw samples of other classes than ``target``, which the scan could read."""
    labels = np.asarray(case.array("labels"))
    usable = labels != target
    if case.has_array("assessed"):
        usable &= np.asarray(case.array("assessed"))
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise BadInput(
            "There is no sample of another class to put the trigger on.",
            "All readable samples have the label of the trigger's class.",
        )
    drawn = np.random.default_rng(seed).permutation(rows)[:count]
    return sorted(int(row) for row in drawn)


def write_stamped(
    case: Case, trigger: Mapping[str, Any], stamped: Mapping[str, Any], target: Path
) -> dict[str, Any]:
    """Write the folder, whole or not at all; return what its ``stamp.json`` says.

    Parameters
    ----------
    case : Case
    trigger : mapping
        A recorded trigger with its pictures.
    stamped : mapping
        What `Investigation.stamp` returned.
    target : Path
        New folder: ``mask.png``, ``pattern.png`` (both 0..255), ``NNNNNN-before.png`` and
        ``NNNNNN-after.png`` with the sample's index, at the size the network sees. Of a
        transformation the first two are the mean change, unsigned and signed.
    """
    names = list(case.class_names)

    def answer(pair: list[Any]) -> dict[str, Any]:
        index = int(pair[0])
        name = names[index] if 0 <= index < len(names) else str(index)
        return {"index": index, "name": valid_unicode(name), "probability": pair[1]}

    document: dict[str, Any] = {
        "schema": SCHEMA,
        "trigger": trigger_id(trigger),
        "form": trigger_form(trigger),
        "target": answer([trigger["index"], None]) | {"probability": None},
        "examples": [
            {
                "index": int(row["index"]),
                "uri": valid_unicode(case.locator(int(row["index"]))),
                "before": answer(row["before"]),
                "after": answer(row["after"]),
                "before_file": f"{int(row['index']):06d}-before.png",
                "after_file": f"{int(row['index']):06d}-after.png",
            }
            for row in stamped["rows"]
        ],
    }
    mask = np.rint(np.asarray(case.array(trigger["mask_array"]), np.float64) * 255)
    with building(target) as folder:
        _write(folder / "mask.png", mask.clip(0, 255).astype(np.uint8)[:, :, None])
        _write(folder / "pattern.png", np.asarray(case.array(trigger["pattern_array"])))
        for at, row in enumerate(document["examples"]):
            _write(folder / row["before_file"], stamped["before"][at])
            _write(folder / row["after_file"], stamped["after"][at])
        text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)
        (folder / "stamp.json").write_text(text + "\n", encoding="utf-8")
    if not case.read_only:
        case.journal.append("stamped", trigger=document["trigger"], to=str(target.absolute()))
    return document


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(flat)).save(path, "PNG")
