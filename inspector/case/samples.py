"""The samples of a case: how many, their class names, where each lies, which cannot be read."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.arrays import ArrayStore
from inspector.case.records import Records
from inspector.errors import CaseError

_LONGEST_LOCATOR = 1 << 16
_LONGEST_REASON = 500
_MOST = 2**31 - 1


class Samples:
    """The table of samples of one case; locators are decoded one by one, when asked for."""

    def __init__(self, records: Records, arrays: ArrayStore) -> None:
        self._records = records
        self._arrays = arrays
        self._described: tuple[int, tuple[str, ...]] | None = None

    @property
    def n(self) -> int:
        """Number of samples; 0 before the dataset was read."""
        return self._describe()[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in index order."""
        return self._describe()[1]

    def forget(self) -> None:
        """Read the description of the dataset anew when it is next needed."""
        self._described = None

    def locator(self, row: int) -> str:
        """Return where a sample lies in its dataset; undecodable bytes as surrogates (PEP 383).

        Raises
        ------
        IndexError
            There is no such sample.
        CaseError
            The dataset was not read yet, or the table is damaged.
        """
        if not 0 <= row < self.n:
            raise IndexError(row)
        return self._slice(*self._table(), row)

    def locators(self, rows: Iterable[int]) -> list[str]:
        """Return the locators of many samples."""
        text, offsets = self._table()
        return [self._slice(text, offsets, int(row)) for row in rows]

    def locators_with(self, part: str) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): whose locator has this text in it."""
        found = np.zeros(self.n, bool)
        text, offsets = self._table()
        wanted = os.fsencode(part)
        if not wanted:
            return ~found
        # One search through all the text; after a hit go on with the next sample.
        joined, ends = text.tobytes(), offsets.tolist()
        at = joined.find(wanted)
        while at >= 0:
            row = bisect_right(ends, at) - 1
            inside = at + len(wanted) <= ends[row + 1]
            found[row] |= inside
            at = joined.find(wanted, ends[row + 1] if inside else at + 1)
        return found

    def locators_equal(self, whole: str) -> NDArray[np.bool_]:
        """Return a mask of shape (n,): whose locator is this text."""
        rows = np.flatnonzero(self.locators_with(whole))
        found = np.zeros(self.n, bool)
        found[rows[[locator == whole for locator in self.locators(rows)]]] = True
        return found

    def set_unreadable(self, samples: Iterable[tuple[int, str]]) -> None:
        """Replace the list of samples that could not be decoded."""
        rows = sorted((int(row), str(reason)[:_LONGEST_REASON]) for row, reason in samples)
        if rows and not 0 <= rows[0][0] <= rows[-1][0] < self.n:
            raise CaseError(
                "The list of unreadable samples was refused.",
                f"It names samples outside of 0 to {self.n - 1}.",
            )
        if rows or self.unreadable():
            self._records.put("unreadable", "samples", rows, {"count": len(rows)})

    def unreadable(self) -> dict[int, str]:
        """Return the reason by sample."""
        return {int(row): str(why) for row, why in self._records.get("unreadable", "samples", ())}

    def _describe(self) -> tuple[int, tuple[str, ...]]:
        if self._described is None:
            dataset = self._records.get("setting", "dataset") or {}
            count, names = None, None
            if isinstance(dataset, dict):
                count = dataset.get("n", dataset.get("count", 0))
                names = dataset.get("class_names", [])
            # The engine has parsed hostile bytes: its word on sizes is not taken.
            if type(count) is not int or not 0 <= count <= _MOST or not isinstance(names, list):
                raise CaseError(
                    "The description of the dataset was refused.",
                    f"It must name 0 to {_MOST} samples and a list of classes.",
                )
            self._described = (count, tuple(str(name) for name in names))
        return self._described

    def _table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        text = self._arrays.get("locator_bytes", self.n)
        offsets = self._arrays.get("locator_offsets", self.n)
        return text, offsets

    def _slice(self, text: NDArray[Any], offsets: NDArray[Any], row: int) -> str:
        start, end = int(offsets[row]), int(offsets[row + 1])
        if not 0 <= start <= end <= min(len(text), start + _LONGEST_LOCATOR):
            raise CaseError(
                "The table of samples is damaged.",
                f"The entry of sample {row} lies outside of it.",
                "Run the scan again.",
            )
        return os.fsdecode(text[start:end].tobytes())
