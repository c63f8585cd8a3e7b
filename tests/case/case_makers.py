"""Arrays as the engine would write them, and what a small scan leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from inspector.case import Case

CLASS_NAMES = ("cat", "ship", "truck")


def store(case: Case, name: str, values: Any) -> None:
    """Write an array under derived/ and register it."""
    array = np.ascontiguousarray(values)
    path = case.derive("test") / f"{name.replace(':', '-')}.npy"
    np.save(path, array, allow_pickle=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    relpath = path.relative_to(case.derived).as_posix()
    case.set_array(name, relpath, array.dtype.str, array.shape, digest)


def describe(case: Case, n: int, names: Sequence[str] = CLASS_NAMES) -> None:
    """Record a dataset of n samples."""
    case.set("dataset", {"format": "idx", "n": n, "class_names": list(names), "notes": []})


def locate(case: Case, locators: Sequence[bytes]) -> None:
    """Store where the samples lie."""
    offsets = np.zeros(len(locators) + 1, np.int64)
    np.cumsum([len(text) for text in locators], out=offsets[1:])
    store(case, "locator_bytes", np.frombuffer(b"".join(locators), np.uint8))
    store(case, "locator_offsets", offsets)


def fill(case: Case) -> None:
    """Give a case what a scan of six samples leaves behind."""
    describe(case, 6)
    nan = np.nan
    locate(case, [b"cat/0.png", b"cat/1.png", b"ship/2.png", b"ship/\xff3.png", b"x", b"=1+1.png"])
    store(case, "labels", np.array([0, 0, 1, 1, 2, 2], np.int32))
    store(case, "predicted", np.array([0, 1, 1, 1, -1, 2], np.int32))
    store(case, "assessed", np.array([1, 1, 1, 1, 0, 1], bool))
    store(case, "loss", np.array([0.1, 3.0, 0.2, 0.1, nan, 0.5], np.float32))
    store(case, "confidence", np.array([0.9, 0.4, 0.8, 0.9, nan, 0.6], np.float32))
    store(case, "score:spectral", np.array([0.2, 0.9, 0.1, 0.3, nan, nan], np.float32))
    store(case, "score:spectral-whitened", np.array([1, 6, 2, 5, nan, 5], np.float32))
    store(case, "combined", np.array([0.1, 0.99, 0.2, 0.7, nan, 0.7], np.float32))
    store(case, "p_value", np.array([0.8, 0.001, 0.6, 0.2, nan, 0.2], np.float32))
    case.set_unreadable([(4, "not an image")])
