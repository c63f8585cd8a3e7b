"""The files of one pass: arrays with a row per sample, and how far they are filled.

Arrays are written with ``pwrite`` and not through a memory map: a disk that fills then raises an
error instead of ending the process with SIGBUS, and written pages do not count as our memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import InspectorError

PROGRESS = "progress.json"
UNREADABLE = "unreadable.jsonl"

_FORMAT = 1
_FILL_BYTES = 4 << 20
_REASON = 300
"""Characters of a reason that are kept; it may quote evidence."""


@dataclass(frozen=True)
class Column:
    """One array: ``shape`` is that of a row; rows never written read as ``fill`` (0: sparse)."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    fill: float = 0


@dataclass
class Progress:
    """How far the files are filled: what a next run may rely on.

    Attributes
    ----------
    batch, block : int
        Sizes that the pass began with. It goes on with them, so that results do not depend on
        where it was interrupted.
    done : int
        Samples finished, in the order of the pass.
    seconds : float
        Time spent so far.
    unreadable : int
        Bytes of the list of unreadable samples that belong to finished chunks.
    """

    batch: int
    block: int
    done: int = 0
    seconds: float = 0.0
    unreadable: int = 0


class SignalStore:
    """Writes the arrays of one pass. Use it in a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Created when missing. Holds this pass and nothing else.
    columns : mapping of str to Column
        Arrays by name; each lies in ``name.npy``.
    n : int
        Rows of every array.
    inputs : mapping
        All that the values depend on, JSON-able. Files of other inputs are discarded.
    progress : Progress
        The sizes to begin with where there is nothing to go on from.
    """

    def __init__(
        self,
        folder: Path,
        columns: Mapping[str, Column],
        n: int,
        inputs: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self.folder = folder
        self.columns = dict(columns)
        self.n = n
        layout = {name: [c.dtype.str, [n, *c.shape], c.fill] for name, c in columns.items()}
        text = json.dumps([_FORMAT, dict(inputs), layout], sort_keys=True)
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self.progress = progress
        self._files: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._list = -1

    def __enter__(self) -> SignalStore:
        """Open the files where a former run left them, or new ones."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = self._former()
            if found is None:
                self._discard()
            else:
                self.progress = found
            for name, column in self.columns.items():
                self._open(name, column, new=found is None)
            self._list = _open_file(self.folder / UNREADABLE)
            os.ftruncate(self._list, self.progress.unreadable)
            if found is None:
                self.mark(0, 0.0)
        except OSError as error:
            self._close()
            raise self.refused(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files; what was marked is kept."""
        self._close()

    def path(self, name: str) -> Path:
        """Return where an array lies."""
        return self.folder / f"{name}.npy"

    def write(self, rows: NDArray[np.int64], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write some rows of some arrays; they count once `mark` was called.

        Parameters
        ----------
        rows : ndarray, shape (m,), int64
            Ascending.
        arrays : mapping of str to ndarray
            Each (m, ...).

        Raises
        ------
        OSError
            The disk refuses.
        """
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        bounds = [0, *breaks.tolist(), len(rows)]
        for name, values in arrays.items():
            column = self.columns[name]
            data = _bytes_of(values, column.dtype)
            width = len(data) // max(1, len(rows))
            for start, stop in pairwise(bounds):
                if start < stop:
                    place = self._starts[name] + int(rows[start]) * width
                    _write_all(self._files[name], data[start * width : stop * width], place)

    def record_unreadable(self, samples: list[tuple[int, str]]) -> None:
        """Append unreadable samples and why to the list; they count once `mark` was called."""
        text = "".join(json.dumps([row, reason[:_REASON]]) + "\n" for row, reason in samples)
        data = text.encode("ascii")
        _write_all(self._list, memoryview(data), self.progress.unreadable)
        self.progress.unreadable += len(data)

    def unreadable(self) -> list[tuple[int, str]]:
        """Return the list of unreadable samples of finished chunks."""
        data = os.pread(self._list, self.progress.unreadable, 0)
        return [(int(row), str(reason)) for row, reason in map(json.loads, data.splitlines())]

    def mark(self, done: int, seconds: float) -> None:
        """Declare everything written so far finished.

        The data reaches the disk before the progress file says so, and that file is replaced as a
        whole: whenever the process or the machine dies, the file is true.

        Raises
        ------
        OSError
            The disk refuses.
        """
        for file in (*self._files.values(), self._list):
            os.fsync(file)
        self.progress.done, self.progress.seconds = done, seconds
        values = {"format": _FORMAT, "key": self._key, **vars(self.progress)}
        temporary = self.folder / f".{PROGRESS}.partial"
        temporary.unlink(missing_ok=True)
        file = _open_file(temporary)
        try:
            _write_all(file, memoryview(json.dumps(values).encode()), 0)
            os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(self.folder / PROGRESS)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def bytes_of(self, samples: int) -> int:
        """Return how many bytes that many samples take in all arrays."""
        return samples * sum(
            column.dtype.itemsize * int(np.prod(column.shape, dtype=np.int64))
            for column in self.columns.values()
        )

    def refused(self, error: OSError) -> InspectorError:
        """Say that the disk refuses, in the words of the operating system."""
        return InspectorError(
            f"The signals could not be written to {self.folder}.",
            f"{error.strerror or error}.",
            f"Free space or mend the folder, then run the same command again: "
            f"{self.progress.done:,} finished samples are kept.",
        )

    def _former(self) -> Progress | None:
        """Return the progress of a former run with the same inputs and whole files, if any."""
        try:
            values = json.loads((self.folder / PROGRESS).read_bytes())
            if values.pop("format") != _FORMAT or values.pop("key") != self._key:
                return None
            found = Progress(**values)
            sizes = [
                self.path(name).stat().st_size == len(self._header(column)) + self._bytes(column)
                for name, column in self.columns.items()
            ]
            listed = (self.folder / UNREADABLE).stat().st_size >= found.unreadable
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if all(sizes) and listed and found.batch > 0 and found.block > 0 else None

    def _discard(self) -> None:
        # The progress file first: it must never stand beside arrays that it does not speak of.
        for name in (PROGRESS, UNREADABLE):
            (self.folder / name).unlink(missing_ok=True)
        for path in self.folder.glob("*.npy"):
            path.unlink()

    def _open(self, name: str, column: Column, new: bool) -> None:
        file = self._files[name] = _open_file(self.path(name))
        header = self._header(column)
        start = self._starts[name] = len(header)
        if not new:
            return
        _write_all(file, memoryview(header), 0)
        os.ftruncate(file, start + self._bytes(column))
        if column.fill:
            row = np.full(column.shape, column.fill, column.dtype)
            step = max(1, _FILL_BYTES // max(1, row.nbytes))
            for first in range(0, self.n, step):
                part = np.broadcast_to(row, (min(step, self.n - first), *column.shape))
                data = _bytes_of(part, column.dtype)
                _write_all(file, data, start + first * row.nbytes)

    def _bytes(self, column: Column) -> int:
        return self.n * column.dtype.itemsize * int(np.prod(column.shape, dtype=np.int64))

    def _header(self, column: Column) -> bytes:
        return npy_header(column.dtype, (self.n, *column.shape))

    def _close(self) -> None:
        for file in (*self._files.values(), self._list):
            if file >= 0:
                os.close(file)
        self._files, self._list = {}, -1


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the bytes that stand before the values in a ``.npy`` file, format version 1.0."""
    buffer = io.BytesIO()
    described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def _bytes_of(values: NDArray[Any], dtype: np.dtype[Any]) -> memoryview:
    return np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8).data


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _write_all(file: int, data: memoryview, place: int) -> None:
    # A disk that is nearly full takes a part and says so; the next call then raises.
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written
