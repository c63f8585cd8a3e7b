"""Decoded pictures of a context, a batch at a time, for detectors that run the model again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.api import Context

_BATCH = 128


def in_batches(
    ctx: Context, rows: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.intp], list[NDArray[np.uint8]]]]:
    """Yield how many are done, the rows of a batch, and their pictures."""
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        yield start, part, ctx.images(part.tolist())


def at_size(picture: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.float32]:
    """Return a picture at the size and number of channels of another, nearest pixel."""
    height, width, channels = shape
    rows = (np.arange(height) * picture.shape[0]) // height
    columns = (np.arange(width) * picture.shape[1]) // width
    resized = picture[rows][:, columns].astype(np.float32)
    if resized.shape[2] != channels:
        grey = resized[..., :3].mean(axis=2, keepdims=True)
        resized = np.repeat(grey, channels, axis=2)
    return resized
