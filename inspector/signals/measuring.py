"""From a block of decoded samples to the rows of every array."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.errors import Cancelled
from inspector.signals.decoding import Block
from inspector.signals.forward import Forward, Said
from inspector.signals.gradients import GradientSketch, cross_entropy
from inspector.signals.store import Column
from inspector.statistics.gradients import margins

NOT_FINITE = "the network's answer is not a finite number"

_FLOAT, _INT, _BYTE = np.dtype("<f4"), np.dtype("<i4"), np.dtype("u1")


def columns(
    classes: int,
    width: int,
    thumbnail: tuple[int, int, int],
    k: int,
    further: Sequence[int] = (),
    m: int = 0,
) -> dict[str, Column]:
    """Return the arrays of a pass; see `SignalSet`.

    Parameters
    ----------
    classes : int
        Number of logits.
    width : int
        Number of activations.
    thumbnail : (h, w, c)
    k : int
        Dimensions of the gradient sketch, 0 for none.
    further : sequence of int
        Numbers of activations of further layers: "layer-0" and so on.
    m : int
        Dimensions of the gradient directions at the last convolutions, 0 for none.
    """
    found = {
        "logits": Column(_FLOAT, (classes,)),
        "activations": Column(_FLOAT, (width,)),
        "predicted": Column(_INT, fill=-1),
        "confidence": Column(_FLOAT, fill=np.nan),
        "loss": Column(_FLOAT, fill=np.nan),
        "thumbnails": Column(_BYTE, thumbnail),
        "pixel_sha256": Column(_BYTE, (32,)),
        "assessed": Column(np.dtype(bool)),
    }
    if k:
        found["gradients"] = Column(_FLOAT, (k,))
    if m:
        found["conv_gradients"] = Column(_FLOAT, (m,))
    for place, size in enumerate(further):
        found[f"layer-{place}"] = Column(_FLOAT, (size,))
    return found


def course_columns() -> dict[str, Column]:
    """Return the arrays of a pass through an earlier checkpoint of the same training run."""
    unknown = Column(_FLOAT, fill=np.nan)
    return {"loss": unknown, "margin": unknown, "assessed": Column(np.dtype(bool))}


@dataclass
class Measured:
    """The rows of one block.

    Attributes
    ----------
    rows : ndarray, shape (m,), int64
    arrays : dict of str to ndarray
        Each (m, ...).
    unreadable : list of (int, str)
        Samples of the block that are not among the rows, and why.
    count : int
        Samples of the block: rows and unreadable ones.
    """

    rows: NDArray[np.int64]
    arrays: dict[str, NDArray[Any]]
    unreadable: list[tuple[int, str]]
    count: int


@dataclass
class Measurement:
    """Measures blocks.

    Attributes
    ----------
    forward : Forward
    labels : ndarray, shape (n,), int32
        Of the whole dataset.
    batch : int
        Samples in one forward pass.
    sketch : GradientSketch or None
    sketch_batch : int
        Samples whose gradients are held at once.
    stopped : threading.Event
        Looked at before every batch.
    kept : tuple of str
        Arrays that are handed over; the others were computed on the way.
    """

    forward: Forward
    labels: NDArray[np.int32]
    batch: int
    sketch: GradientSketch | None
    sketch_batch: int
    stopped: threading.Event
    kept: tuple[str, ...]

    def measure(self, block: Block) -> Measured:
        """Return what the network says about a block; safe to call from several threads.

        Raises
        ------
        Cancelled
            ``stopped`` was set.
        """
        said: list[Said] = []
        gradients: list[NDArray[np.float32]] = []
        labels = self.labels[block.rows]
        wanted = torch.from_numpy(labels.astype(np.int64))
        for start in range(0, len(block.rows), self.batch):
            if self.stopped.is_set():
                raise Cancelled()
            x, known = (part[start : start + self.batch] for part in (block.x, wanted))
            said.append(self.forward(x, known))
            if self.sketch is not None:
                gradients += self._gradients(self.sketch, x, known)
        if not said:
            return Measured(block.rows, {}, block.unreadable, block.count)
        logits = np.concatenate([part.logits.numpy() for part in said])
        activations = np.concatenate([part.activations.numpy() for part in said])
        arrays: dict[str, NDArray[Any]] = {
            "logits": logits,
            "activations": activations,
            "predicted": logits.argmax(axis=1),
            "confidence": _confidence(logits),
            "loss": cross_entropy(logits, labels),
            "margin": margins(logits, labels),
            "thumbnails": block.thumbnails,
            "pixel_sha256": block.pixel_sha256,
            "assessed": np.ones(len(logits), bool),
        }
        if gradients:
            arrays["gradients"] = np.concatenate(gradients)
        for place, parts in enumerate(zip(*(part.further for part in said))):
            arrays[f"layer-{place}"] = np.concatenate([part.numpy() for part in parts])
        directions = [part.directions for part in said if part.directions is not None]
        if directions:
            arrays["conv_gradients"] = torch.cat(directions).numpy()
        arrays = {name: arrays[name] for name in self.kept}
        rows, unreadable = block.rows, list(block.unreadable)
        finite = np.isfinite(logits).all(axis=1) & np.isfinite(activations).all(axis=1)
        if not finite.all():
            unreadable += [(row, NOT_FINITE) for row in rows[~finite].tolist()]
            rows = rows[finite]
            arrays = {name: array[finite] for name, array in arrays.items()}
        return Measured(rows, arrays, sorted(unreadable), block.count)

    def _gradients(
        self, sketch: GradientSketch, x: torch.Tensor, labels: torch.Tensor
    ) -> list[NDArray[np.float32]]:
        found = []
        for part, label in zip(x.split(self.sketch_batch), labels.split(self.sketch_batch)):
            if self.stopped.is_set():
                raise Cancelled()
            found.append(sketch(part, label).cpu().numpy())
        return found


def _confidence(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the softmax of the largest logit, (n,)."""
    top = logits.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # Infinite answers are sorted out by the caller.
        return 1 / np.exp((logits - top).astype(np.float64)).sum(axis=1)
