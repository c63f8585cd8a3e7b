"""Pictures in memory as a dataset, so that a drill goes through the pass that a scan makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.drill.attack import Pixels
from inspector.intake.datasets import Dataset, UnreadableSample


class PlantedData(Dataset):
    """A copy of some of the evidence's pictures, at the size that the network takes.

    Parameters
    ----------
    images : ndarray, shape (n, H, W, C), uint8
    labels : ndarray, shape (n,), integer
    class_names : sequence of str
    """

    format: ClassVar[str] = "npz"

    def __init__(
        self, images: Pixels, labels: NDArray[np.integer], class_names: Sequence[str]
    ) -> None:
        super().__init__(
            Path("drill"), class_names, labels.astype(np.int32), image_shape=images.shape[1:]
        )
        self._images = images

    def locator(self, i: int) -> str:
        """Return the row: these pictures lie nowhere."""
        return f"drill#{i}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the pixels of a sample."""
        return self._images[i].tobytes()

    def decode(self, i: int) -> NDArray[np.uint8]:
        """Return the pixels of a sample."""
        return self._images[i]

    def decode_batch(
        self, rows: NDArray[np.integer] | Sequence[int]
    ) -> NDArray[np.uint8] | list[NDArray[np.uint8] | UnreadableSample]:
        """Return the pixels of some rows."""
        return self._images[np.asarray(rows, np.intp)]

    def source_files(self) -> list[Path]:
        """Return no files: it is in memory."""
        return []

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the digest of all pixels and labels, under one name."""
        total = hashlib.sha256(np.ascontiguousarray(self._images).data)
        total.update(self.labels.tobytes())
        return {"drill": total.digest()}

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        digests = [hashlib.sha256(image.tobytes()).digest() for image in self._images]
        return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32).copy()
