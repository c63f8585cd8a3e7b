"""Decodes blocks of samples: the network's input, thumbnails, hashes, and who is unreadable."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspector.api import Control
from inspector.errors import Cancelled, InspectorError
from inspector.intake.datasets import Dataset, UnreadableSample
from inspector.intake.models import Preprocess
from inspector.signals.thumbnails import Frame, choose_frame

_PROBED = 64
"""Samples that are decoded to learn the size of thumbnails where a dataset does not state it."""

_GROUP_BYTES = 4 << 20
"""Bytes of decoded pixels that a block holds at once, unless one image alone has more."""

_LARGE_IMAGE = 4 << 20
"""Pixels above which images are resized one at a time, so that a few cannot fill the memory."""


@dataclass
class Block:
    """Decoded samples that go through the network together.

    Attributes
    ----------
    rows : ndarray, shape (m,), int64
        Rows of the readable samples.
    count : int
        Samples of the block, the unreadable ones included.
    x : Tensor, shape (m, channels, height, width), float32
    thumbnails : ndarray, shape (m, h, w, c), uint8
    pixel_sha256 : ndarray, shape (m, 32), uint8
    unreadable : list of (int, str)
        Row and reason.
    """

    rows: NDArray[np.int64]
    count: int
    x: Tensor
    thumbnails: NDArray[np.uint8]
    pixel_sha256: NDArray[np.uint8]
    unreadable: list[tuple[int, str]] = field(default_factory=list)


class Decoder:
    """Turns rows of a dataset into blocks.

    Parameters
    ----------
    dataset : Dataset
    preprocess : Preprocess
        Makes the network's input.
    frame : Frame
        Size of the thumbnails.
    stopped : threading.Event
        Looked at before every image.
    """

    def __init__(
        self, dataset: Dataset, preprocess: Preprocess, frame: Frame, stopped: threading.Event
    ) -> None:
        self._dataset = dataset
        self._preprocess = preprocess
        self._frame = frame
        self._large = threading.Lock()
        self._stopped = stopped

    def block(self, rows: NDArray[np.int64]) -> Block:
        """Decode some rows; safe to call from several threads.

        Raises
        ------
        InspectorError
            The evidence disappeared.
        Cancelled
            ``stopped`` was set.
        """
        preprocess, height_width = self._preprocess, tuple(self._preprocess.size)
        block = Block(
            rows=np.empty(len(rows), np.int64),
            count=len(rows),
            x=torch.empty(len(rows), preprocess.channels, *height_width),
            thumbnails=np.zeros((len(rows), *self._frame.shape), np.uint8),
            pixel_sha256=np.empty((len(rows), 32), np.uint8),
        )
        done = 0
        group = self._group
        for start in range(0, len(rows), group):
            done = self._fill(block, done, rows[start : start + group])
        block.rows = block.rows[:done]
        block.x = block.x[:done]
        block.thumbnails = block.thumbnails[:done]
        block.pixel_sha256 = block.pixel_sha256[:done]
        if block.unreadable and not self._dataset.root.exists():
            raise InspectorError(
                f"The evidence is no longer at {self._dataset.root}.",
                "It was there when the scan began.",
                "Connect the medium again and run the same command: finished parts are kept.",
            )
        return block

    @property
    def _group(self) -> int:
        shape = self._dataset.image_shape
        return max(1, _GROUP_BYTES // int(np.prod(shape))) if shape else _PROBED

    def _fill(self, block: Block, done: int, rows: NDArray[np.int64]) -> int:
        """Append rows to a block whose first ``done`` places are taken; return the new count."""
        if self._dataset.image_shape:
            decoded = self._decode(rows)
            if isinstance(decoded, np.ndarray):
                return self._append(block, done, rows, decoded)
        images: list[NDArray[np.uint8]] = []
        kept: list[int] = []
        held = 0
        for row in rows.tolist():
            # One at a time: how large an image of unknown size is shows only afterwards.
            image = self._decode(np.array([row]))[0]
            if isinstance(image, UnreadableSample):
                block.unreadable.append((row, image.reason))
                continue
            images.append(image)
            kept.append(row)
            held += image.nbytes
            if held > _GROUP_BYTES:
                done = self._append(block, done, kept, images)
                images, kept, held = [], [], 0
        return self._append(block, done, kept, images)

    def _append(
        self,
        block: Block,
        done: int,
        rows: NDArray[np.int64] | list[int],
        images: NDArray[np.uint8] | list[NDArray[np.uint8]],
    ) -> int:
        stop = done + len(images)
        if stop == done:
            return done
        block.rows[done:stop] = rows
        block.pixel_sha256[done:stop] = pixel_sha256(images)
        if isinstance(images, np.ndarray) and self._frame.fits(images.shape[1:]):
            block.thumbnails[done:stop] = images
        else:
            for image, out in zip(images, block.thumbnails[done:stop]):
                self._frame.place(image, out)
        # A large image ends its group: it can only be the last one.
        large = images[-1].shape[0] * images[-1].shape[1] > _LARGE_IMAGE
        with self._large if large else nullcontext():
            block.x[done:stop] = self._preprocess(images[0][None] if len(images) == 1 else images)
        return stop

    def _decode(
        self, rows: NDArray[np.int64]
    ) -> NDArray[np.uint8] | list[NDArray[np.uint8] | UnreadableSample]:
        if self._stopped.is_set():
            raise Cancelled()
        return decode_some(self._dataset, rows)


def frame_of(dataset: Dataset, rows: NDArray[np.int64], colour: bool, control: Control) -> Frame:
    """Choose the thumbnails' frame; see `thumbnails.choose_frame`.

    Parameters
    ----------
    dataset : Dataset
        Looked at in up to 64 places spread over ``rows`` where it does not state a size.
    rows : ndarray, shape (m,), int64
    colour : bool
        Whether the network sees colour.
    control : Control
        Looked at before every image.
    """
    if dataset.image_shape:
        return choose_frame([dataset.image_shape], colour=False)
    places = np.unique(np.linspace(0, len(rows) - 1, _PROBED).round().astype(int))
    shapes = []
    for place in places if len(rows) else ():
        control.check()
        image = decode_some(dataset, rows[place : place + 1])[0]
        if isinstance(image, np.ndarray):
            shapes.append(image.shape)
    return choose_frame(shapes, colour)


def pixel_sha256(images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the SHA-256 of what was decoded: ``height width 3 LF``, then the pixels as RGB.

    Two files with equal pixels have equal hashes however they are encoded; grey counts as RGB with
    three equal values.

    Returns
    -------
    ndarray, shape (b, 32), uint8
    """
    digests = bytearray()
    started = {}
    for image in images:
        size = image.shape[:2]
        if size not in started:
            started[size] = hashlib.sha256(b"%d %d 3\n" % size)
        total = started[size].copy()
        colour = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
        total.update(np.ascontiguousarray(colour).data)
        digests += total.digest()
    return np.frombuffer(digests, np.uint8).reshape(-1, 32)


def decode_some(
    dataset: Dataset, rows: NDArray[np.int64]
) -> NDArray[np.uint8] | list[NDArray[np.uint8] | UnreadableSample]:
    """Return ``dataset.decode_batch(rows)``, one by one where the batch as a whole fails."""
    try:
        return dataset.decode_batch(rows)
    except UnreadableSample as failure:
        if len(rows) == 1:
            return [failure]
        return [image for row in rows for image in decode_some(dataset, np.array([row]))]
