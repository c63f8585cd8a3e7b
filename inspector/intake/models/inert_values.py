"""What following a pickle gives: what it would build, in place of what building it would run.

Every name that the pickle would import becomes a `Named`, every call that it would make becomes a
`Made`, and whatever its reader would have to fetch becomes a `Fetched`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_NAMES = 1000
"""Different names that are listed; a real model names some dozens."""

MAX_NAME = 200
"""Characters of a name that are kept."""


class Named:
    """Something that the pickle would import: a class or a function, by name only."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    @property
    def path(self) -> str:
        """Module and name, as one."""
        return f"{self.module}.{self.name}"


class Fetched:
    """Something that the pickle asks its reader for by a key, such as a storage."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


class Made:
    """What a call or an instantiation would return.

    Attributes
    ----------
    maker : object
        What would be called; mostly a `Named`.
    args : tuple
        What it would be called with.
    state : object
        What would be set on the result, None when nothing would.
    items : dict
        Entries that would be put into the result.
    members : list
        Values that would be appended to the result.
    """

    __slots__ = ("args", "items", "maker", "members", "state")

    def __init__(self, maker: Any, args: tuple[Any, ...]) -> None:
        self.maker, self.args = maker, args
        self.state: Any = None
        self.items: dict[Any, Any] = {}
        self.members: list[Any] = []

    @property
    def path(self) -> str:
        """Name of what would be called; "" when that is itself made or no name."""
        return self.maker.path if type(self.maker) is Named else ""


@dataclass
class NameUse:
    """A name that pickles would import.

    Attributes
    ----------
    name : str
        Module and name, at most 200 characters.
    offset : int
        Of the instruction that names it first, in the bytes that were given.
    count : int
        How often it is named.
    calls : int
        How often the pickle calls it with arguments of its own, rather than making an instance.
    """

    name: str
    offset: int
    count: int = 1
    calls: int = 0


@dataclass
class Followed:
    """What a pickle would build and what it names.

    Attributes
    ----------
    value : object
        Plain Python values, `Named`, `Fetched` and `Made`; None when it could not be followed.
    names : dict of str to NameUse
        Every name, in order; what follows a defect is not among them, nor would any reader get
        there.
    left_out : int
        Different names beyond `MAX_NAMES`.
    defect : str
        Why it could not be followed to its end; "" when it could.
    end : int
        Offset behind its last byte, when it has no defect.
    protocol : int
        As it states it.
    sources : list of str
        Classes whose program text it carries.
    indirect : int
        Calls of what another call returned.
    """

    value: Any = None
    names: dict[str, NameUse] = field(default_factory=dict)
    left_out: int = 0
    defect: str = ""
    end: int = 0
    protocol: int = 0
    sources: list[str] = field(default_factory=list)
    indirect: int = 0


def reachable(root: Any) -> Iterator[Made | Fetched]:
    """Yield every `Made` and `Fetched` that a followed value leads to, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if type(value) not in (Fetched, Made, dict, list, tuple) or id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is Fetched:
            yield value
            waiting.append(value.key)
        elif type(value) is Made:
            yield value
            waiting += [value.maker, value.args, value.state, value.items, value.members]
        else:
            waiting += value.values() if type(value) is dict else value
