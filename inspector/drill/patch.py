"""The patch attack with dirty labels: a small square on a few pictures, relabelled.

Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply
Chain, 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput


@dataclass(frozen=True)
class Patch:
    """A square trigger.

    Attributes
    ----------
    size : int
        Side in pixels.
    opacity : float
        1 replaces the picture, 0.1 is a faint veil.
    margin : int
        Pixels to the lower and the right border.
    value : int
        Brightness, 0 to 255.
    """

    size: int = 3
    opacity: float = 1.0
    margin: int = 1
    value: int = 255

    def place(self, height: int, width: int) -> tuple[slice, slice]:
        """Return rows and columns that it covers.

        Raises
        ------
        BadInput
            It does not fit into the picture.
        """
        top, left = height - self.margin - self.size, width - self.margin - self.size
        if self.size < 1 or top < 0 or left < 0:
            raise BadInput(
                f"A patch of {self.size} pixels with a margin of {self.margin} does not fit into "
                f"{height}×{width} pixels."
            )
        return slice(top, top + self.size), slice(left, left + self.size)


def stamp_patch(images: NDArray[np.uint8], patch: Patch) -> NDArray[np.uint8]:
    """Return copies of pictures with the patch on them.

    Parameters
    ----------
    images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
        Left as they are.
    patch : Patch
        What to stamp.
    """
    rows, columns = patch.place(*images.shape[1:3])
    stamped = images.copy()
    under = stamped[:, rows, columns].astype(np.float32)
    mixed = (1 - patch.opacity) * under + patch.opacity * patch.value
    stamped[:, rows, columns] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return stamped


def poison_dataset(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    target: int,
    rate: float,
    patch: Patch,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.integer], NDArray[np.intp]]:
    """Stamp a random share of the pictures of other classes and give them the target's label.

    Parameters
    ----------
    images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
    labels : ndarray, shape (n,), integer
    target : int
        Class that the trigger leads to.
    rate : float
        Share of the whole dataset, above 0.
    patch : Patch
    seed : int

    Returns
    -------
    images, labels : ndarray
        Copies with the poison in them.
    rows : ndarray, shape (k,), intp
        Sorted rows that were poisoned.

    Raises
    ------
    BadInput
        There are not that many pictures of other classes, or the share is none.
    """
    count = round(rate * len(labels))
    others = np.flatnonzero(labels != target)
    if not 0 < count <= len(others):
        raise BadInput(
            f"{count} of {len(labels)} pictures cannot be poisoned.",
            f"{len(others)} have another label than {target}.",
            "Choose another rate.",
        )
    rows = np.sort(np.random.default_rng(seed).choice(others, count, replace=False))
    poisoned, relabelled = images.copy(), labels.copy()
    poisoned[rows] = stamp_patch(images[rows], patch)
    relabelled[rows] = target
    return poisoned, relabelled, rows
