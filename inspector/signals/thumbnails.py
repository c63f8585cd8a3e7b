"""Thumbnails: a common frame of at most 64 pixels a side, images centred in it, never enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
"""Pixels of the longer side of a thumbnail, at most."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's convert("L")


@dataclass(frozen=True)
class Frame:
    """The size that all thumbnails of a dataset share.

    An image no larger than the frame keeps its pixels; a larger one is reduced by area until it
    fits. It stands in the middle, on black. Grey images are repeated in a colour frame.
    """

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether images of this (H, W, C) are thumbnails already."""
        return shape == self.shape

    def place(self, image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write the thumbnail of one image.

        Parameters
        ----------
        image : ndarray, shape (H, W, 1 or 3), uint8
        out : ndarray, shape (height, width, channels), uint8
            Zeros; written in place.
        """
        height, width = reduced(image.shape[0], image.shape[1], self.height, self.width)
        if (height, width) != image.shape[:2]:
            picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
            # BOX is the mean over the area under each pixel. Reducing first by whole factors gives
            # the same mean up to rounding and is what makes large photographs quick.
            small = picture.resize((width, height), Image.Resampling.BOX, reducing_gap=3.0)
            image = np.asarray(small).reshape(height, width, -1)
        if image.shape[2] == 3 and self.channels == 1:
            image = np.rint(image @ _LUMA)[:, :, None].astype(np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        out[top : top + height, left : left + width] = image


def reduced(height: int, width: int, max_height: int, max_width: int) -> tuple[int, int]:
    """Return the size of an image after it was made to fit, its proportions kept."""
    factor = min(1.0, max_height / height, max_width / width)
    return (
        min(max_height, max(1, round(height * factor))),
        min(max_width, max(1, round(width * factor))),
    )


def choose_frame(shapes: Sequence[tuple[int, int, int]], colour: bool) -> Frame:
    """Choose the frame from the shapes of some images of a dataset.

    Parameters
    ----------
    shapes : sequence of (H, W, C)
        All images that were looked at; may be empty.
    colour : bool
        Whether the network sees colour. Then grey images that were looked at promise nothing for
        the others, and the frame has three channels unless the shapes are certain.

    Returns
    -------
    Frame
        The native size where all images have the same size of at most 64 pixels a side; the same
        proportions at 64 pixels where they share a larger one; else a square as large as the
        largest side, at most 64.
    """
    channels = 3 if colour or any(shape[2] == 3 for shape in shapes) else 1
    sizes = {shape[:2] for shape in shapes}
    if len(sizes) == 1:
        height, width = sizes.pop()
        return Frame(*reduced(height, width, SIDE, SIDE), channels)
    side = min(SIDE, max((max(size) for size in sizes), default=SIDE))
    return Frame(side, side, channels)
