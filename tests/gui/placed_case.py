"""The planted case with maps and activations: the poison lies in an island of its own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from planted_case import plant, put_array

from inspector.case import Case

ISLAND = (40.0, 40.0)
"""Middle of the island on the PCA map; everything else lies within 12 of the origin."""


def place(path: Path, n: int = 1000) -> NDArray[np.bool_]:
    """Write a case and close it; return the mask of the planted poison."""
    folder, poison = _template(n)
    shutil.copytree(folder, path)
    return poison.copy()


@cache
def _template(n: int) -> tuple[Path, NDArray[np.bool_]]:
    """Write the case once per process: a copy is quicker than twenty transactions."""
    path = Path(tempfile.mkdtemp(prefix="inspector-placed-")) / "placed.case"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    case, poison = plant(path, n)
    rng = np.random.default_rng(1)
    labels = case.array("labels")
    angle = labels / (labels.max() + 1) * 2 * np.pi
    spot = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 8 + rng.normal(0, 1, (n, 2))
    spot[poison] = np.array(ISLAND) + rng.normal(0, 0.5, (int(poison.sum()), 2))
    spot[5] = np.nan  # The sample that could not be read is nowhere.
    put_array(case, "map:pca", spot.astype(np.float32))
    activations = np.zeros((n, 8), np.float32)
    activations[:, :2] = spot
    put_array(case, "activations", activations)
    case.close()
    return path, poison


def place_labels_only(path: Path, n: int = 60) -> None:
    """Write a case as it is right after intake: labels and names, nothing that a model answered."""
    case = Case.create(path)
    case.set(
        "dataset",
        {"format": "idx", "n": n, "class_names": ["a", "b"], "digest": "ab" * 32, "notes": []},
    )
    locators = [f"train#{row}".encode() for row in range(n)]
    offsets = np.cumsum([0, *(len(text) for text in locators)]).astype(np.int64)
    put_array(case, "labels", (np.arange(n) % 2).astype(np.int32))
    put_array(case, "locator_bytes", np.frombuffer(b"".join(locators), np.uint8))
    put_array(case, "locator_offsets", offsets)
    case.close()
