"""What the changes of a case add up to: who carries which tag, and what can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.tag_kinds import TagKind
from inspector.errors import CaseError


class TagState:
    """The replay of all changes so far.

    Attributes
    ----------
    owners : ndarray of int32, shape (kinds, n)
        Number of the journal entry that put the tag there, 0 where there is none.
    done, undone : list of int
        Acts that can be taken back or done again, the next one last.
    """

    def __init__(self, kinds: Sequence[TagKind], n: int) -> None:
        self.owners: NDArray[np.int32] = np.zeros((len(kinds), n), np.int32)
        self.done: list[int] = []
        self.undone: list[int] = []
        self._position = np.full(max(kind.id for kind in kinds) + 1, -1)
        self._position[[kind.id for kind in kinds]] = np.arange(len(kinds))

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.owners.shape[1])

    def replay(self, change: NDArray[Any]) -> None:
        """Apply cells (see `tag_changes`), of one change or of many in their order.

        Raises
        ------
        CaseError
            They name samples or tags that the case does not have.
        """
        if not len(change):
            return
        numbers, rows = change["kind"].astype(np.int64), change["row"].astype(np.int64)
        if not (
            0 <= numbers.min() <= numbers.max() < len(self._position)
            and 0 <= rows.min() <= rows.max() < self.n
            and (self._position[numbers] >= 0).all()
        ):
            raise damaged("a change names samples or tags that the case does not have")
        # Where a cell is named more than once the last one holds, which is the order of the acts.
        self.owners.reshape(-1)[self._position[numbers] * self.n + rows] = change["after"]

    def file(self, seq: int, effect: str, target: int) -> None:
        """Note that act ``seq`` did something new, or took back or redid ``target``.

        Raises
        ------
        CaseError
            ``target`` was not next.
        """
        if effect == "do":
            self.done.append(seq)
            self.undone.clear()
            return
        source, other = (self.done, self.undone) if effect == "undo" else (self.undone, self.done)
        if not source or source[-1] != target:
            raise damaged(f"entry {seq} takes back what was not the last act")
        other.append(source.pop())


def damaged(why: str) -> CaseError:
    """Return the error for a list of changes that cannot be right."""
    return CaseError(
        "The tags of this case cannot be read.",
        f"The list of changes is damaged: {why}.",
        "Keep the folder as it is, and go on with a backup copy.",
    )
