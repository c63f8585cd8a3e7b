"""The protocol of a reconstruction method. Plugins add theirs in one file::

    class Corner:
        info = MethodInfo(id="corner", title="Corner", summary="…", version="1.0")

        def run(self, search):
            for target in search.classes:
                stamp = Stamp(mask, pattern)            # found with search.answers(pixels)
                yield conclude(search, target, self.info.id, stamp, reached=True)

    METHODS = [Corner]

`Search` has the network, the pictures and the seed; `conclude` measures success on held-out pictures
and controls. A method that forms one trigger per class out of free numbers only needs a `Form` and
`smallest_triggers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from inspector.triggers.result import TriggerResult
from inspector.triggers.search import Search


@dataclass(frozen=True)
class MethodInfo:
    """What a method is.

    Attributes
    ----------
    id : str
        Short stable name in lower case with hyphens, the ``method`` in JSON.
    title, summary : str
        Name and one sentence for people.
    version : str
        Recorded with every trigger.
    reference : str
        Paper: author, year.
    rung : int
        Steps after which the classes of a search can be compared though none is through; 0 when
        there is no such point. See `screening`.
    pictures : int
        About how many pictures it looks at for a class when it is left to choose, to tell beforehand
        how long it takes; 0: as many as a search of 200 steps.
    """

    id: str
    title: str
    summary: str
    version: str
    reference: str = ""
    rung: int = 0
    pictures: int = 0


@runtime_checkable
class Method(Protocol):
    """A method: metadata, and a search that yields one result for each asked class."""

    info: MethodInfo

    def run(self, search: Search) -> Iterator[TriggerResult]:
        """Search the classes of ``search.classes``, in any order."""
        ...
