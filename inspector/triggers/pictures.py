"""The pictures that a search works on: at the network's size, in plain pixels, split in two."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput


class Preprocessing(Protocol):
    """The part of `inspector.intake.models.Preprocess` that a search needs."""

    def __call__(self, images: Any) -> torch.Tensor:
        """Turn (H, W, C) uint8 pictures into the network's input (b, c, height, width)."""
        ...

    def undo(self, batch: torch.Tensor) -> NDArray[np.uint8]:
        """Turn the network's input back into (b, height, width, c) uint8, colour as RGB."""
        ...

    def normalise(self, x01: torch.Tensor) -> torch.Tensor:
        """Turn pixels 0..1 (b, c, height, width), RGB, into the network's input, differentiably."""
        ...


class Suspect(Protocol):
    """The part of `inspector.intake.models.SuspectModel` that a search needs."""

    @property
    def network(self) -> nn.Module:
        """The network."""
        ...

    @property
    def num_classes(self) -> int:
        """Number of its answers."""
        ...

    @property
    def preprocess(self) -> Preprocessing:
        """How pictures become its input."""
        ...


@dataclass(frozen=True)
class Pictures:
    """Pictures of a search.

    Attributes
    ----------
    pixels : Tensor, shape (m, C, H, W), uint8
        On the network's device.
    labels, answers : Tensor, shape (m,), int64
        Given label (-1 = none), and what the network answers to the untouched picture.
    search, held_out : Tensor, int64
        Rows to search with, and rows that only measure the outcome.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    answers: torch.Tensor
    search: torch.Tensor
    held_out: torch.Tensor

    def turnable(self, rows: torch.Tensor, target: int) -> torch.Tensor:
        """Return those rows that neither carry the class's label nor are answered with it already.

        Only these can show that a trigger turns a picture; the others would be free successes.
        """
        return rows[(self.labels[rows] != target) & (self.answers[rows] != target)]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it: the same for the same pictures, parted and answered alike."""
        found = hashlib.sha256()
        for part in (self.pixels, self.labels, self.answers, self.search, self.held_out):
            found.update(str(tuple(part.shape)).encode())
            found.update(np.ascontiguousarray(part.cpu().numpy()).data)
        return found.hexdigest()


def sample_rows(
    labels: ArrayLike, count: int = 1000, seed: int = 0, assessed: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Draw rows for a search, as evenly over the labels as the data allows.

    Parameters
    ----------
    labels : array_like, shape (n,), int
        -1 (no label) is a label like any other.
    count : int
        Rows to draw at most. Half of them search, half measure.
    seed : int
        Seed of the draw.
    assessed : array_like, shape (n,), bool, optional
        Rows that can be decoded; default all.

    Returns
    -------
    ndarray, shape (<= count,), intp
        Sorted rows.
    """
    values = np.asarray(labels)
    rng = np.random.default_rng(seed)
    rows = np.arange(len(values)) if assessed is None else np.flatnonzero(np.asarray(assessed))
    rows = rng.permutation(rows)
    order = np.argsort(values[rows], kind="stable")
    _, starts, sizes = np.unique(values[rows][order], return_index=True, return_counts=True)
    turn = np.empty(len(rows), dtype=np.int64)  # a row's place among the rows of its label
    turn[order] = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.sort(rows[np.argsort(turn, kind="stable")[:count]])


def prepare_pictures(
    model: Suspect,
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    labels: ArrayLike,
    network: nn.Module,
    *,
    seed: int,
    portion: int,
    control: Control,
) -> Pictures:
    """Bring pictures to the network's size, ask the network about them, and split them at random.

    Raises
    ------
    BadInput
        Fewer than two pictures, or labels that do not belong to them.
    """
    given = np.asarray(labels).astype(np.int64)
    if len(images) != len(given):
        raise BadInput(
            f"{len(images)} pictures came with {len(given)} labels.",
            "Every picture needs its own label.",
            "Pass both in the same order and number.",
        )
    if len(given) < 2:
        raise BadInput(
            f"A trigger search needs pictures to put triggers on, and got {len(given)}.",
            "Some must search and others must measure.",
            "Give it at least 50, better 1,000.",
        )
    device = next(network.parameters()).device
    pixels, answers = [], []
    with torch.no_grad():
        for start in range(0, len(images), portion):
            control.check()
            prepared = model.preprocess(images[start : start + portion]).to(device)
            pixels.append(torch.from_numpy(model.preprocess.undo(prepared)).permute(0, 3, 1, 2))
            answers.append(network(prepared).argmax(dim=1))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(given))).to(device)
    half = len(given) // 2
    return Pictures(
        pixels=torch.cat(pixels).contiguous().to(device),
        labels=torch.from_numpy(given).to(device),
        answers=torch.cat(answers),
        search=order[:half],
        held_out=order[half:],
    )
