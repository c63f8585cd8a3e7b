"""What IDX, NPZ and CIFAR binary share: all samples in one array, held as the bytes were hashed.

The file is read once and hashed, and the arrays are views of those very bytes, so a file that
changes afterwards cannot change what is scanned.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets.dataset import Dataset, UnreadableSample
from inspector.intake.datasets.evidence_file import read_file, reason_of
from inspector.intake.datasets.names import escape_name, shown
from inspector.intake.datasets.pixel_values import to_uint8
from inspector.intake.limits import limit

_ROWS_PER_CHECK = 4096


class ArrayDataset(Dataset):
    """Samples that are rows of one array.

    Parameters
    ----------
    root : Path
        Folder or file that was opened.
    stored : ndarray, shape (n, ...)
        The rows as stored, in the stored data type.
    pixels : ndarray, shape (n, H, W, C)
        A view of ``stored`` in image layout.
    labels, class_names, notes
        See `Dataset`.
    hashes : mapping of str to bytes
        SHA-256 of each file read, by its path below the root (by its name for a root file).
    parts : sequence of (str, int)
        File name and number of rows, in row order.

    Attributes
    ----------
    stored : ndarray, shape (n, ...)
        As given; read-only.
    """

    def __init__(
        self,
        root: Path,
        stored: NDArray[Any],
        pixels: NDArray[Any],
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
        hashes: Mapping[str, bytes],
        parts: Sequence[tuple[str, int]],
    ) -> None:
        _, height, width, channels = pixels.shape
        super().__init__(root, class_names, labels, notes, (height, width, channels))
        self.stored = stored
        self.parts = tuple(parts)
        self._pixels = pixels
        self._hashes = dict(hashes)
        self._starts = np.cumsum([0] + [rows for _, rows in parts]).tolist()
        self._to_uint8, self._finite = to_uint8(pixels, self.notes)

    def locator(self, i: int) -> str:
        """Return ``file#row``, the row counted from 0 within the file."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        part = bisect.bisect_right(self._starts, i) - 1
        return f"{escape_name(self.parts[part][0])}#{i - self._starts[part]}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the row as stored, in C order."""
        return self.stored[i].tobytes()

    def decode(self, i: int) -> NDArray[np.uint8]:
        """Return the pixels of a row."""
        if self._finite is not None and not self._finite[i]:
            raise UnreadableSample("a pixel is not a finite number")
        return self._to_uint8(self._pixels[i : i + 1])[0]

    def decode_batch(
        self, rows: NDArray[np.integer] | Sequence[int]
    ) -> NDArray[np.uint8] | list[NDArray[np.uint8] | UnreadableSample]:
        """Return (b, H, W, C) uint8, the caller's own; a list only where rows are unreadable."""
        wanted = np.asarray(rows, dtype=np.intp)
        if self._finite is not None and not self._finite[wanted].all():
            return [self._decoded_or_failure(int(row)) for row in wanted]
        return self._to_uint8(self._pixels[_as_slice(wanted)])

    def source_files(self) -> list[Path]:
        """Return the files that were read."""
        folder = self.root if self.root.is_dir() else self.root.parent
        return [folder / name for name in self._hashes]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of each file as it was read."""
        return dict(self._hashes)

    def _decoded_or_failure(self, row: int) -> NDArray[np.uint8] | UnreadableSample:
        try:
            return self.decode(row)
        except UnreadableSample as failure:
            return failure

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        total = len(self)
        hashes = bytearray(32 * total)
        sha256 = hashlib.sha256
        for start in range(0, total, _ROWS_PER_CHECK):
            control.check()
            control.progress("hash", start, total, "hashing samples")
            block = np.ascontiguousarray(self.stored[start : start + _ROWS_PER_CHECK])
            flat = block.reshape(-1).view(np.uint8).data
            width = len(flat) // len(block)
            for offset in range(len(block)):
                place, row = 32 * (start + offset), width * offset
                hashes[place : place + 32] = sha256(flat[row : row + width]).digest()
        control.progress("hash", total, total, "hashing samples")
        return np.frombuffer(hashes, np.uint8).reshape(total, 32)


def read_hashed(path: Path, largest: int | None = None) -> tuple[bytes, bytes]:
    """Return the bytes of an evidence file and their SHA-256.

    Raises
    ------
    BadInput
        It cannot be read, or is larger than ``largest``, or the limit array-bytes.
    """
    try:
        data = read_file(path, limit=largest or limit("array-bytes"))
    except OSError as error:
        raise BadInput(
            f"{shown(path)} cannot be read: {reason_of(error)}.",
            "",
            "Check the path and your permission to read it.",
        ) from None
    except MemoryError:
        raise BadInput(
            f"{shown(path)} does not fit into memory.",
            "Array formats are held in memory while they are scanned.",
            "Split the file, or scan it on a machine with more memory.",
        ) from None
    return data, hashlib.sha256(data).digest()


def _as_slice(rows: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Turn consecutive rows into a slice: numpy then copies blocks and not row by row."""
    if rows.size and rows[0] >= 0 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
