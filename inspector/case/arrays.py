"""The derived arrays of a case: what was registered, and read-only maps of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import npy
from inspector.case.records import Records
from inspector.errors import CaseError

KIND = "array"

KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "labels": ("int32", ("n",)),
    "assessed": ("bool", ("n",)),
    "locator_bytes": ("uint8", ("m",)),
    "locator_offsets": ("int64", ("n+1",)),
    "stored_sha256": ("uint8", ("n", "32")),
    "pixel_sha256": ("uint8", ("n", "32")),
    "thumbnails": ("uint8", ("n", "h", "w", "c")),
    "logits": ("float32", ("n", "C")),
    "activations": ("float32", ("n", "d")),
    "gradients": ("float32", ("n", "k")),
    "conv_gradients": ("float32", ("n", "k")),
    "predicted": ("int32", ("n",)),
    "confidence": ("float32", ("n",)),
    "loss": ("float32", ("n",)),
    "combined": ("float32", ("n",)),
    "p_value": ("float32", ("n",)),
    "q_value": ("float32", ("n",)),
    "false_bound": ("float32", ("n",)),
    "score": ("float32", ("n",)),
    "course": ("float32", ("n",)),
    "map": ("float32", ("n", "2")),
    "sample_maps": ("uint8", ("m", "h", "w")),
    "sample_map_rows": ("int32", ("m",)),
    "neighbours": ("int32", ("n", "k")),
}
"""Dtype and axes by name, or by what stands before the colon. Other names may hold anything."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,119}")


@dataclass(frozen=True)
class ArrayInfo:
    """What the case knows of an array without opening it; ``path`` is relative to ``derived/``."""

    name: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str


class ArrayStore:
    """The arrays of one case.

    Parameters
    ----------
    records : Records
    derived : Path
        The folder that all files lie in.
    """

    def __init__(self, records: Records, derived: Path) -> None:
        self._records = records
        self._derived = derived
        self._infos: dict[str, ArrayInfo] | None = None
        self._open: dict[str, tuple[ArrayInfo, NDArray[Any]]] = {}

    def put(
        self, name: str, relpath: str, dtype: str, shape: Sequence[int], sha256: str, n: int
    ) -> ArrayInfo:
        """Register a written file after looking at it; ``n`` is the number of samples, 0 unknown.

        Raises
        ------
        CaseError
            The file is not what is claimed, or the name asks for another dtype or shape.
        """
        info = ArrayInfo(
            name,
            npy.relative_path(relpath, self._derived),
            npy.dtype_name(dtype),
            tuple(_length(name, part) for part in shape),
            _sha256(name, sha256),
        )
        _check_claim(info, n)
        self._map(info)
        value = {
            "path": info.path,
            "dtype": info.dtype,
            "shape": info.shape,
            "sha256": info.sha256,
        }
        self._records.put(KIND, name, value, value)
        self.forget()
        return info

    def infos(self) -> dict[str, ArrayInfo]:
        """Return everything registered, by name."""
        if self._infos is None:
            self._infos = {name: _info(name, v) for name, v in self._records.all(KIND).items()}
        return dict(self._infos)

    def get(self, name: str, n: int) -> NDArray[Any]:
        """Return a read-only map of an array.

        Raises
        ------
        CaseError
            Never registered, or no longer what it was.
        """
        info = self.infos().get(name)
        if info is None:
            raise CaseError(
                f"The case has no array {name!r}.",
                "It was not computed yet.",
                "Run `inspector scan` on this case.",
            )
        kept = self._open.get(name)
        if kept is not None and kept[0] == info:
            return kept[1]
        _check_claim(info, n)
        array = self._map(info)
        self._open[name] = (info, array)
        return array

    def forget(self) -> None:
        """Let go of every mapped file, and read anew what is registered."""
        self._infos = None
        self._open.clear()

    def _map(self, info: ArrayInfo) -> NDArray[Any]:
        relpath = npy.relative_path(info.path, self._derived)
        array = npy.map_array(self._derived, relpath, npy.dtype_name(info.dtype), info.shape)
        array.flags.writeable = False
        return array


def _info(name: str, value: Any) -> ArrayInfo:
    try:
        return ArrayInfo(
            name, value["path"], value["dtype"], tuple(value["shape"]), value["sha256"]
        )
    except (KeyError, TypeError) as error:
        raise CaseError(f"The array {name!r} of this case is damaged.", f"{error}.") from error


def _check_claim(info: ArrayInfo, n: int) -> None:
    if not _NAME.fullmatch(info.name):
        raise CaseError(
            f"An array called {info.name[:80]!r} was refused.",
            "Names have up to 120 letters, digits and _ . : -",
        )
    dtype, axes = KNOWN.get(info.name.partition(":")[0], (info.dtype, ("?",) * len(info.shape)))
    lengths = {"n": n or None, "n+1": n + 1 if n else None}
    fits = len(axes) == len(info.shape) and all(
        length == (int(axis) if axis.isdigit() else lengths.get(axis) or length)
        for axis, length in zip(axes, info.shape)
    )
    if info.dtype != dtype or not fits:
        raise CaseError(
            f"The array {info.name!r} was refused.",
            f"It is {info.dtype} {info.shape} and should be {dtype} ({', '.join(axes)})"
            + (f" with n = {n}." if n else "."),
            "Run the scan again.",
        )


def _length(name: str, value: Any) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise CaseError(f"The array {name!r} was refused.", f"{str(value)[:40]!r} is not a length.")


def _sha256(name: str, value: str) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value
    raise CaseError(f"The array {name!r} was refused.", "Its SHA-256 is not one.")
