"""Thumbnails of samples as Qt images, read from the case's memory map, the recent ones kept."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

BUDGET = 256 * 2**20
"""Bytes of ready images that are kept: about 16,000 thumbnails of 64 × 64."""


class ThumbnailCache:
    """The least recently used images are dropped first.

    A read from the map costs microseconds once the page is in memory, so no thread is needed.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._images: OrderedDict[int, QImage] = OrderedDict()
        self._bytes = 0
        self._array: NDArray[np.uint8] | None = None

    def use(self, array: NDArray[np.uint8] | None) -> None:
        """Take thumbnails from ``array`` (n, h, w, 1 or 3) from now on; forget the former ones."""
        self._images.clear()
        self._bytes = 0
        fits = array is not None and array.ndim == 4 and array.shape[3] in (1, 3)
        self._array = array if fits else None

    def get(self, row: int) -> QImage | None:
        """Return the thumbnail of a sample, or None while there is none."""
        image = self._images.get(row)
        if image is not None:
            self._images.move_to_end(row)
            return image
        if self._array is None or not 0 <= row < self._array.shape[0]:
            return None
        image = as_image(self._array[row])
        self._images[row] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > self._budget and len(self._images) > 1:
            _, dropped = self._images.popitem(last=False)
            self._bytes -= dropped.sizeInBytes()
        return image


def as_image(pixels: NDArray[np.uint8]) -> QImage:
    """Return pixels (h, w, 1 or 3) uint8 as an image that owns its memory, ready to be painted."""
    pixels = np.ascontiguousarray(pixels)
    height, width, channels = pixels.shape
    kind = QImage.Format.Format_RGB888 if channels == 3 else QImage.Format.Format_Grayscale8
    view = QImage(pixels.data, width, height, width * channels, kind)
    return view.convertToFormat(QImage.Format.Format_RGB32)
