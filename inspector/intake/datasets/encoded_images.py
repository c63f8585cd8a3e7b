"""What folders, manifests, Parquet, Arrow and tar shards share: each sample is an encoded image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.intake.datasets.dataset import Dataset, UnreadableSample
from inspector.intake.datasets.decoding import decode_oriented


class EncodedImages(Dataset):
    """Samples that are decoded one by one.

    Once the samples were hashed, only bytes with that hash are decoded: what was recorded is what
    was looked at, also on a disk that somebody writes to meanwhile.

    Attributes
    ----------
    turned : dict of int to int
        By row the EXIF orientation (2 to 8) of the images decoded so far that carry one.
    """

    turned: dict[int, int]

    def decode(self, i: int) -> NDArray[np.uint8]:
        """Return the pixels; see `decoding` for what each mode becomes."""
        data = self.stored_bytes(i)
        known = self._stored_sha256
        if known is not None and hashlib.sha256(data).digest() != known[i].tobytes():
            raise UnreadableSample("it changed since it was hashed")
        pixels, orientation = decode_oriented(data, self.orientation)
        if orientation != 1:
            self.turned[i] = orientation
        return pixels

    def decode_batch(
        self, rows: NDArray[np.integer] | Sequence[int]
    ) -> list[NDArray[np.uint8] | UnreadableSample]:
        """Return the pixels of some rows one by one, a failure in place of an image."""
        images: list[NDArray[np.uint8] | UnreadableSample] = []
        for row in rows:
            try:
                images.append(self.decode(int(row)))
            except UnreadableSample as failure:
                images.append(failure)
        return images
