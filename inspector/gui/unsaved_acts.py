"""Acts that the disk has refused: kept in their order until it takes them."""

from __future__ import annotations

from collections.abc import Callable

from inspector.case import Case
from inspector.case.database import NotSaved
from inspector.errors import InspectorError

Act = Callable[[Case], object]


class UnsavedActs:
    """A queue in which nothing overtakes: what came later is done later."""

    def __init__(self) -> None:
        self._waiting: list[Act] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, act: Act) -> None:
        """Put an act at the end."""
        self._waiting.append(act)

    def take_back(self) -> None:
        """Forget the last act."""
        self._waiting.pop()

    def save(self, case: Case) -> tuple[int, list[str]]:
        """Do what waits; return how many acts are in the case now, and why others never will be.

        At the first act that the disk refuses it ends, and keeps that act and all after it. An act
        that can never be done is dropped: it would block what comes after.
        """
        done, problems = 0, list[str]()
        while self._waiting:
            try:
                self._waiting[0](case)
                done += 1
            except NotSaved:
                break
            except InspectorError as error:
                problems.append(str(error))
            del self._waiting[0]
        return done, problems
