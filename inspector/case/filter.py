"""The filter language: ``spectral > 0.97 and label == 'ship' and not tagged``.

Python's grammar, parsed and never run: the tree may hold only what is handled here.

- every column of the table, hyphens written as underscores; numbers; ``+ - * / %``; ``abs(x)``
- ``rank(x)``: place by a column, 1 = most suspicious
- ``label`` and ``predicted`` compare with class names in quotes or with class indices
- ``tagged``; ``tag == 'suspect'``; ``tag in ('suspect', 'poison')``
- ``'part' in uri``; ``uri == '…'``; ``assessed``; ``unreadable``
- ``==  !=  <  <=  >  >=  in  not in`` (chained as in Python), ``and``, ``or``, ``not``

A comparison with a number that is not there (NaN) is false.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.filter_values import (
    Classes,
    UsageError,
    Value,
    compare,
    names_of,
    value_of,
)
from inspector.case.table import SampleTable
from inspector.errors import BadInput

_LONGEST = 2000
_DEEPEST = 100
_FUNCTIONS = ("abs", "rank")
_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.USub,
    ast.UAdd,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Mod,
    ast.Compare,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Set,
)
_ARITHMETIC: dict[type[ast.operator], Any] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Mod: np.mod,
}


class Filter:
    """A parsed expression; call it with a table for a mask of shape (n,)."""

    def __init__(self, text: str, tree: ast.expr) -> None:
        self.text = text
        self._tree = tree

    def __call__(self, table: SampleTable) -> NDArray[np.bool_]:
        """Return who satisfies the expression.

        Raises
        ------
        BadInput
            A name that the table does not have, or a comparison that makes no sense.
        """
        with np.errstate(all="ignore"):
            return self._mask(self._tree, table)

    def _mask(self, node: ast.expr, table: SampleTable) -> NDArray[np.bool_]:
        found = self._value(node, table)
        if isinstance(found, bool):
            return np.full(table.n, found)
        if isinstance(found, np.ndarray) and found.dtype == bool:
            return found.copy()
        raise self._wrong(node, "This is neither true nor false.", "Compare it: `… > 0.9`.")

    def _value(self, node: ast.expr, table: SampleTable) -> Value:
        try:
            match node:
                case ast.BoolOp(op, parts):
                    together = np.logical_and if isinstance(op, ast.And) else np.logical_or
                    return together.reduce([self._mask(part, table) for part in parts])
                case ast.UnaryOp(ast.Not(), operand):
                    return ~self._mask(operand, table)
                case ast.UnaryOp(op, operand):
                    number = self._number(operand, table)
                    return -number if isinstance(op, ast.USub) else number
                case ast.BinOp(left, op, right):
                    sides = (self._operand(left, table), self._operand(right, table))
                    result = _ARITHMETIC[type(op)](*sides)
                    return result if isinstance(result, np.ndarray) else float(result)
                case ast.Compare(first, operators, others):
                    values = [self._value(part, table) for part in (first, *others)]
                    links = zip(values, operators, values[1:])
                    masks = [compare(a, op, b, table) for a, op, b in links]
                    return np.logical_and.reduce(masks)
                case ast.Call(ast.Name(function), [argument]):
                    return self._call(function, argument, table)
                case ast.Name(name):
                    return value_of(name, table)
                case ast.Constant(bool() | str() as value):
                    return value
                case ast.Constant(int() | float() as value):
                    # Whole numbers beyond 64 bits are no NumPy integers.
                    return value if abs(value) < 2**53 else float(value)
                case ast.Tuple(parts) | ast.List(parts) | ast.Set(parts):
                    return tuple(self._value(part, table) for part in parts)
        except UsageError as error:
            raise self._wrong(node, str(error), error.fix) from None
        raise self._wrong(node, "This cannot stand here.")

    def _call(self, function: str, argument: ast.expr, table: SampleTable) -> Value:
        if function == "abs":
            return np.abs(self._number(argument, table))
        if not isinstance(argument, ast.Name):
            raise self._wrong(argument, "`rank` takes a column.", "Write `rank(combined) <= 100`.")
        self._number(argument, table)
        values = table.column(argument.id)
        places = np.full(table.n, np.nan)
        places[table.rank(by=argument.id)] = np.arange(1, table.n + 1)
        places[np.isnan(values)] = np.nan
        return places

    def _number(self, node: ast.expr, table: SampleTable) -> Any:
        found = self._value(node, table)
        if isinstance(found, Classes):
            return found.codes
        numeric = isinstance(found, np.ndarray) and found.dtype != bool
        if numeric or (isinstance(found, (int, float)) and not isinstance(found, bool)):
            return found
        raise self._wrong(node, "A number is needed here.")

    def _operand(self, node: ast.expr, table: SampleTable) -> Any:
        # Python floats take on the precision of the column; whole numbers could overflow.
        found = self._number(node, table)
        return found if isinstance(found, np.ndarray) else float(found)

    def _wrong(self, node: ast.expr, why: str, fix: str = "") -> BadInput:
        return _refusal(self.text, _place(node, self.text), why, fix)


def parse_filter(text: str) -> Filter:
    """Read a filter expression; see the module for the language.

    Raises
    ------
    BadInput
        It cannot be read; the message names the place.
    """
    if len(text) > _LONGEST:
        raise BadInput("The filter is too long.", f"It has {len(text)} characters.", "Shorten it.")
    stripped = " ".join(text.split("\n")).strip()
    if not stripped:
        raise BadInput("The filter is empty.", "", "Write for example `combined > 0.9`.")
    try:
        with warnings.catch_warnings():
            # Python warns on standard error of '\\d' in text.
            warnings.simplefilter("ignore")
            tree = ast.parse(stripped, mode="eval").body
    except SyntaxError as error:
        place = max(1, error.offset or 1)
        fix = "Compare with `==`." if re.search(r"[^=!<>]=[^=]", stripped) else ""
        raise _refusal(stripped, place, "It cannot be read from there on.", fix) from None
    except (ValueError, MemoryError, RecursionError):
        raise BadInput(
            "The filter cannot be read.", "It is nested too deep or holds a NUL."
        ) from None
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        for node in level:
            _check(stripped, node)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return Filter(stripped, tree)
    raise BadInput("The filter cannot be read.", "It is nested too deep.", "Write it flatter.")


def filter_names(table: SampleTable) -> list[str]:
    """Return every word that a filter on this table may use, for completion."""
    return sorted({*names_of(table), *_FUNCTIONS, "and", "or", "not", "in"})


def _check(text: str, node: ast.AST) -> None:
    place = _place(node, text)
    if not isinstance(node, _ALLOWED):
        raise _refusal(text, place, f"{_said(node)} is not part of the filter language.")
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
        if not known or len(node.args) != 1 or node.keywords:
            raise _refusal(
                text, place, "Only `abs(x)` and `rank(column)` can be called.", "Give one value."
            )
    if isinstance(node, ast.Constant):
        value = node.value
        if not isinstance(value, (bool, int, float, str)):
            raise _refusal(text, place, f"{value!r} is not part of the filter language.")
        if not isinstance(value, (bool, str)) and not -1e300 < value < 1e300:
            raise _refusal(text, place, "This number is too large.")


def _said(node: ast.AST) -> str:
    words = {
        "Attribute": "A dot",
        "Subscript": "A bracket after a name",
        "Pow": "`**`",
        "BitAnd": "`&` (write `and`)",
        "BitOr": "`|` (write `or`)",
        "Invert": "`~` (write `not`)",
        "Is": "`is` (write `==`)",
    }
    return words.get(type(node).__name__, f"A Python {type(node).__name__.lower()}")


def _place(node: ast.AST, text: str) -> int:
    """Return where a node begins, counted in characters from 1."""
    offset = getattr(node, "col_offset", 0)
    return len(text.encode()[:offset].decode(errors="ignore")) + 1


def _refusal(text: str, place: int, why: str, fix: str = "") -> BadInput:
    near = text[place - 1 : place + 19]
    spot = f"at character {place}, “{near}”" if near else "at its end"
    return BadInput(f"The filter is wrong {spot}.", why, fix)
