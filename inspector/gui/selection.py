"""Which samples are selected: a boolean mask, an anchor, and where the gesture came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mode = Literal["new", "add", "remove", "intersect"]


@dataclass(frozen=True, eq=False)
class Selection:
    """An immutable set of samples.

    Attributes
    ----------
    mask : ndarray, shape (n,), bool
        Read-only.
    anchor : int
        The sample that a keyboard move starts from; -1 when nothing is selected.
    origin : str
        The panel whose gesture made it, so that this panel need not scroll to it.
    """

    mask: NDArray[np.bool_]
    anchor: int = -1
    origin: str = ""

    def __post_init__(self) -> None:
        self.mask.flags.writeable = False

    @classmethod
    def empty(cls, n: int, origin: str = "") -> Selection:
        """Return the selection of nothing out of ``n`` samples."""
        return cls(np.zeros(n, dtype=bool), -1, origin)

    @property
    def n(self) -> int:
        """Number of samples that could be selected."""
        return int(self.mask.shape[0])

    @property
    def count(self) -> int:
        """Number of selected samples."""
        return int(np.count_nonzero(self.mask))

    @property
    def rows(self) -> NDArray[np.intp]:
        """Selected rows in ascending order, shape (count,)."""
        return np.flatnonzero(self.mask)

    def combined(
        self, what: ArrayLike, mode: Mode = "new", origin: str = "", anchor: int | None = None
    ) -> Selection:
        """Return this selection after one gesture.

        Parameters
        ----------
        what : array_like
            Boolean mask of shape (n,), or row numbers.
        mode : {"new", "add", "remove", "intersect"}
            How the gesture and the former selection are put together.
        anchor : int, optional
            Sample to move on from; by default the former anchor while it stays selected, else the
            first selected row.

        Raises
        ------
        ValueError
            A mask of another length, or an unknown mode.
        IndexError
            A row out of range.
        """
        gesture = as_mask(what, self.n)
        if mode == "new":
            mask = gesture.copy() if gesture is what else gesture
        elif mode == "add":
            mask = self.mask | gesture
        elif mode == "remove":
            mask = self.mask & ~gesture
        elif mode == "intersect":
            mask = self.mask & gesture
        else:
            raise ValueError(f"unknown selection mode: {mode}")
        if anchor is None or not (0 <= anchor < self.n and mask[anchor]):
            anchor = (
                self.anchor if 0 <= self.anchor < self.n and mask[self.anchor] else _first(mask)
            )
        return Selection(mask, anchor, origin)

    def inverted(self, within: NDArray[np.bool_] | None = None, origin: str = "") -> Selection:
        """Return what is not selected, among the samples of ``within`` when given."""
        mask = ~self.mask if within is None else ~self.mask & within
        return Selection(mask, _first(mask), origin)


def as_mask(what: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Return a mask of shape (n,) for a mask or for row numbers (never negative ones)."""
    given = np.asarray(what)
    if given.dtype == bool:
        if given.shape != (n,):
            raise ValueError(f"mask has shape {given.shape}, the case has {n} samples")
        return given
    rows = np.atleast_1d(given).astype(np.intp, copy=False)
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        raise IndexError(f"rows must lie in 0..{n - 1}")
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def _first(mask: NDArray[np.bool_]) -> int:
    at = int(mask.argmax()) if mask.size else 0
    return at if mask.size and mask[at] else -1
