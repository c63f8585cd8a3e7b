"""What every planted attack offers: how it poisons training pictures, and how it is tried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput

Pixels = NDArray[np.uint8]
"""Pictures, (n, H, W) or (n, H, W, C)."""

Labels = NDArray[np.integer]
Rows = NDArray[np.intp]


class Planted(NamedTuple):
    """Copies of a dataset with poison in them.

    Attributes
    ----------
    images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
    labels : ndarray, shape (n,), integer
    rows : ndarray, shape (k,), intp
        Sorted rows that were poisoned: what a detector should find.
    covers : ndarray, shape (c,), intp
        Sorted rows that carry the trigger under their own label, to make the poison less conspicuous.
    """

    images: Pixels
    labels: Labels
    rows: Rows
    covers: Rows


class Attack(ABC):
    """One attack with its parameters; a frozen dataclass.

    The methods here are those of the usual attack with dirty labels: pictures of other classes get
    the trigger and the target's label. Other attacks replace what is different.

    Attributes
    ----------
    name : str
        As the command line names it.
    clean_label : bool
        Whether poisoned samples keep their right labels.
    """

    name: ClassVar[str]
    clean_label: ClassVar[bool] = False

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the plain settings by name, nested attacks by theirs."""
        found: dict[str, Any] = {}
        for one in fields(self):  # type: ignore[arg-type]  # every attack is a dataclass
            value = getattr(self, one.name)
            if isinstance(value, Attack):
                found[one.name] = {"name": value.name, **value.parameters}
            elif isinstance(value, (bool, int, float, str)):
                found[one.name] = value
        return found

    @abstractmethod
    def stamp(self, images: Pixels) -> Pixels:
        """Return copies of pictures with the whole trigger on them, as the attacker shows them.

        Raises
        ------
        BadInput
            The trigger does not fit into the pictures.
        """

    def plant(
        self,
        images: Pixels,
        labels: Labels,
        target: int,
        rate: float,
        rng: np.random.Generator,
    ) -> Planted:
        """Poison a random share of a dataset; what is given stays as it is.

        Parameters
        ----------
        images : ndarray, shape (n, H, W) or (n, H, W, C), uint8
        labels : ndarray, shape (n,), integer
        target : int
            Class that the trigger leads to.
        rate : float
            Share of the whole dataset, above 0.
        rng : Generator

        Returns
        -------
        Planted

        Raises
        ------
        BadInput
            There are not that many pictures to poison, or the share is none.
        """
        rows = drawn(np.flatnonzero(labels != target), rate, len(labels), rng)
        poisoned, relabelled = images.copy(), labels.copy()
        poisoned[rows] = self.stamp(images[rows])
        relabelled[rows] = target
        return Planted(poisoned, relabelled, rows, np.empty(0, np.intp))

    def trials(self, images: Pixels, labels: Labels, target: int) -> tuple[Pixels, Labels]:
        """Return pictures that the attacker would show, and the answers that he wants.

        Parameters
        ----------
        images, labels : ndarray
            Held-out pictures with right labels.
        target : int

        Returns
        -------
        images : ndarray, shape (m, H, W) or (m, H, W, C), uint8
        wanted : ndarray, shape (m,), integer
            The attack's success is the share of these answers that a network gives.
        """
        others = np.flatnonzero(labels != target)
        return self.stamp(images[others]), np.full(len(others), target, labels.dtype)


def drawn(candidates: Rows, rate: float, n: int, rng: np.random.Generator) -> Rows:
    """Draw a share of n among some rows, and return them sorted.

    Raises
    ------
    BadInput
        There are not that many, or the share is none.
    """
    count = round(rate * n)
    if not 0 < count <= len(candidates):
        raise BadInput(
            f"{count} of {n} pictures cannot be poisoned.",
            f"{len(candidates)} are of a class that this attack poisons.",
            "Choose another rate.",
        )
    return np.sort(rng.choice(candidates, count, replace=False))


def with_channels(images: Pixels) -> Pixels:
    """Return pictures as (n, H, W, C), a view."""
    return images[..., None] if images.ndim == 3 else images


def as_pixels(values: NDArray[np.floating]) -> Pixels:
    """Round and limit values to what a picture can hold."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def check_share(name: str, value: float) -> None:
    """Refuse a share that is none.

    Raises
    ------
    BadInput
        It is outside 0 to 1.
    """
    if not 0 <= value <= 1:
        raise BadInput(f"{name} of {value:g} is not possible.", "", "Give a number from 0 to 1.")
