"""What the words of a filter stand for, and how they compare."""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inspector.case.table import SampleTable, underscored
from inspector.errors import BadInput


class UsageError(Exception):
    """A part of a filter makes no sense; the filter adds where it stands."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.fix = fix


@dataclass(frozen=True)
class Classes:
    """Labels: indices that answer to class names as well."""

    codes: NDArray[Any]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Tagged:
    """The tags of every sample."""


@dataclass(frozen=True)
class Locators:
    """Where every sample lies."""


Value: TypeAlias = (
    "NDArray[Any] | Classes | Tagged | Locators | bool | int | float | str | tuple[Any, ...]"
)

_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_WORDS = ("tag", "tagged", "uri", "assessed", "unreadable")


def names_of(table: SampleTable) -> list[str]:
    """Return every name that a filter on this table may use."""
    return [*map(underscored, table.columns), *_WORDS]


def value_of(name: str, table: SampleTable) -> Value:
    """Return what a name stands for.

    Raises
    ------
    UsageError
        The table does not have it; the message names the nearest.
    """
    if name == "tag":
        return Tagged()
    if name == "uri":
        return Locators()
    if name == "tagged":
        return table.case.tags.tagged()
    if name == "assessed":
        return table.assessed
    if name == "unreadable":
        mask = np.zeros(table.n, bool)
        mask[list(table.case.unreadable())] = True
        return mask
    try:
        values = table.column(name)
    except BadInput:
        known = names_of(table)
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UsageError(
            f"There is no column `{name}`.{hint}", f"Known columns: {', '.join(known)}."
        ) from None
    return Classes(values, table.case.class_names) if name in ("label", "predicted") else values


def compare(left: Value, sign: ast.cmpop, right: Value, table: SampleTable) -> NDArray[np.bool_]:
    """Return the mask of one comparison.

    Raises
    ------
    UsageError
        The two sides do not compare.
    """
    if isinstance(sign, ast.NotIn):
        return ~_contained(left, right, table)
    if isinstance(sign, ast.In):
        return _contained(left, right, table)
    if isinstance(sign, ast.NotEq) and not (_numeric(left) and _numeric(right)):
        return ~_equal(left, right, table)
    if isinstance(sign, ast.Eq):
        return _equal(left, right, table)
    return _ordered(left, sign, right, table)


def _contained(left: Value, right: Value, table: SampleTable) -> NDArray[np.bool_]:
    if isinstance(right, Locators):
        if isinstance(left, str):
            return table.case.samples.locators_with(left)
        raise UsageError(
            "Only text in quotes can be looked for in `uri`.", "Write `'cat/' in uri`."
        )
    if isinstance(right, Tagged):
        return _equal(right, left, table)
    if not isinstance(right, tuple):
        raise UsageError("`in` needs a list.", "Write `label in ('cat', 'dog')`.")
    found = np.zeros(table.n, bool)
    for one in right:
        found |= _equal(left, one, table)
    return found


def _equal(left: Value, right: Value, table: SampleTable) -> NDArray[np.bool_]:
    if isinstance(right, (Tagged, Locators)) or (isinstance(right, Classes) and _scalar(left)):
        left, right = right, left
    if isinstance(left, Tagged):
        if not isinstance(right, str):
            raise UsageError("A tag is named in quotes.", "Write `tag == 'suspect'`.")
        try:
            return table.case.tags.mask(right)
        except BadInput as error:
            raise UsageError(f"{error.what} {error.why}".strip(), error.fix) from None
    if isinstance(left, Locators):
        if not isinstance(right, str):
            raise UsageError("`uri` is text.", "Write `uri == 'cat/1.png'`.")
        return table.case.samples.locators_equal(right)
    if isinstance(left, Classes) and isinstance(right, str):
        return _named(left, right)
    if _truth(left) and _truth(right):
        return np.broadcast_to(np.asarray(left) == np.asarray(right), table.n)
    return _ordered(left, ast.Eq(), right, table)


def _named(labels: Classes, name: str) -> NDArray[np.bool_]:
    codes = [code for code, known in enumerate(labels.names) if known == name]
    if not codes:
        near = difflib.get_close_matches(name, labels.names, 1, 0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(repr(known) for known in labels.names[:12])
        more = ", …" if len(labels.names) > 12 else ""
        raise UsageError(f"There is no class {name!r}.{hint}", f"Classes: {shown}{more}.")
    return np.isin(labels.codes, codes)


def _ordered(left: Value, sign: ast.cmpop, right: Value, table: SampleTable) -> NDArray[np.bool_]:
    if not (_numeric(left) and _numeric(right)):
        odd = left if not _numeric(left) else right
        raise UsageError(f"{_said(odd)} cannot be compared like this.")
    a, b = _numbers(left), _numbers(right)
    mask = _ORDER[type(sign)](a, b) & ~np.isnan(a) & ~np.isnan(b)
    return np.broadcast_to(mask, table.n)


def _numbers(value: Any) -> Any:
    return value.codes if isinstance(value, Classes) else value


def _numeric(value: Value) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype != bool
    return isinstance(value, Classes) or (
        isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    )


def _truth(value: Value) -> bool:
    return isinstance(value, bool) or (isinstance(value, np.ndarray) and value.dtype == bool)


def _scalar(value: Value) -> bool:
    return isinstance(value, (bool, int, float, str))


def _said(value: Value) -> str:
    if isinstance(value, str):
        return f"The text {value[:40]!r}"
    if isinstance(value, tuple):
        return "A list"
    if isinstance(value, Tagged):
        return "`tag`"
    if isinstance(value, Locators):
        return "`uri`"
    return "True or false"
