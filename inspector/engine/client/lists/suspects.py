"""What a foreign list says: which samples, what is held against them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Suspects:
    """Samples that a list names for one reason.

    Attributes
    ----------
    rows : ndarray of int
        Row numbers, ascending.
    tag : str
        The tag of ours that comes nearest.
    reason : str
        The list's own word: a column, a tag.
    """

    rows: NDArray[np.intp]
    tag: str
    reason: str


@dataclass(frozen=True)
class SuspectList:
    """A whole list.

    Attributes
    ----------
    format : str
        "indices", "cleanlab" or "fiftyone".
    groups : tuple of Suspects
    unmatched : tuple of str
        Names on the list that the dataset does not have.
    """

    format: str
    groups: tuple[Suspects, ...]
    unmatched: tuple[str, ...] = ()
