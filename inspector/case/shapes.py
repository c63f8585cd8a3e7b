"""Records of a case that may be somebody else's: those of an unknown shape are left out, not fatal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Record = TypeVar("Record")
Made = TypeVar("Made")

_ODD = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)


def readable(
    records: Iterable[Record],
    make: Callable[[Record], Made],
    *told: Callable[[Made], Any],
) -> list[Made]:
    """Return what is made of records, without those that nothing can be made of.

    Parameters
    ----------
    records : iterable
    make : callable
        Turns a record into what is shown.
    *told : callable
        What else will be done with it, such as putting it into words; tried here.
    """
    found = []
    for record in records:
        try:
            made = make(record)
            for tell in told:
                tell(made)
        except _ODD:
            continue
        found.append(made)
    return found
