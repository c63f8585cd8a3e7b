"""Changes of tags as lists of cells, so that each can be replayed and taken back exactly.

A cell says of one sample and one kind of tag which journal entry had put the tag there before the
change, and which has afterwards; 0 for none. Undoing swaps the two. The tags of a case are nothing
but the replay of all its changes: there is no second copy that could disagree with the journal.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELL = np.dtype([("kind", "<i2"), ("row", "<i4"), ("before", "<i4"), ("after", "<i4")])


def cells(kind: int, rows: NDArray[Any], before: NDArray[Any] | int, after: int) -> NDArray[Any]:
    """Return the cells of a change to one kind of tag, one per row."""
    change = np.empty(len(rows), CELL)
    change["kind"], change["row"], change["before"], change["after"] = kind, rows, before, after
    return change


def swapped(change: NDArray[Any]) -> NDArray[Any]:
    """Return the change that takes another one back."""
    back = change.copy()
    back["before"], back["after"] = change["after"], change["before"]
    return back


def packed(change: NDArray[Any]) -> bytes:
    """Return cells as they are kept in the case."""
    return zlib.compress(change.tobytes(), 1)


def unpacked(blobs: Iterable[bytes], most: int) -> NDArray[Any]:
    """Return the cells of many changes one after the other.

    Parameters
    ----------
    blobs : iterable of bytes
    most : int
        How many cells one change can have.

    Raises
    ------
    ValueError
        Not something that `packed` made.
    """
    raw = []
    for blob in blobs:
        unzip = zlib.decompressobj()
        try:
            raw.append(unzip.decompress(blob, most * CELL.itemsize + 1))
        except (zlib.error, TypeError) as error:
            raise ValueError(str(error)) from error
        if len(raw[-1]) > most * CELL.itemsize or len(raw[-1]) % CELL.itemsize or not unzip.eof:
            raise ValueError("a change has more cells than there are samples")
    return np.frombuffer(b"".join(raw), CELL)
