"""Pickles of plain containers and numpy arrays, read as data: no class is built, nothing is run.

An interpreter of its own for the pickle instructions, over ``pickletools.genops``, which only
splits bytes into instructions. Names are never looked up; the handful that make a numpy array are
recognised and stand for what they would make. Everything else is refused with its name and place.
The memo is a dictionary (an index of 2**28 costs one entry), and shared parts are shared, never
walked or copied.
"""

from __future__ import annotations

import io
import math
import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.names import escape_name

MAX_INSTRUCTIONS = 20_000_000
"""A batch of 50,000 samples has about 300,000."""


class Text2(str):
    """A string of Python 2, in which text and bytes were one; its characters are its bytes."""


@dataclass(frozen=True)
class _Name:
    """A global, by name alone."""

    name: str


@dataclass
class _Type:
    """A numpy data type under construction."""

    code: str
    order: str = "|"

    def dtype(self) -> np.dtype[Any]:
        found = np.dtype(self.code)
        if found.hasobject or found.kind not in "biuf":
            raise ValueError(f"an array of type {self.code[:20]!r}")
        if self.order == ">":
            return found.newbyteorder(">")
        return found.newbyteorder("<") if self.order == "<" else found


@dataclass
class ArrayCell:
    """An array under construction; ``value`` is set once its state was read."""

    value: NDArray[Any] | None = None


class _Refused(ValueError):
    pass


_ARRAY_MAKERS = frozenset(
    f"{module}.{name}"
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
)
_BUFFER_MAKERS = frozenset(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"))
_NAMES = (
    _ARRAY_MAKERS
    | _BUFFER_MAKERS
    | {"numpy.ndarray", "numpy.dtype", "_codecs.encode"}
    | {"builtins.bytes", "__builtin__.bytes", "builtins.bytearray", "__builtin__.bytearray"}
    | {"collections.OrderedDict"}
)
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_MAKE = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_LITERALS = frozenset((*_NUMBERS, *_TEXTS, *_BYTES))
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


def read_array_pickle(data: bytes, where: str) -> Any:
    """Return what a pickle of containers and arrays stands for.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        The file, for messages.

    Returns
    -------
    object
        Dictionaries, lists, tuples, numbers, bytes, text (`Text2` where Python 2 wrote it), and
        numpy arrays of numbers. Containers may be shared; do not walk them without a limit.

    Raises
    ------
    BadInput
        It names anything but numpy's array makers, is damaged, or is far too long.
    """
    machine = _Machine()
    position = 0
    try:
        for count, (opcode, argument, place) in enumerate(pickletools.genops(io.BytesIO(data))):
            position = place or 0
            if count > MAX_INSTRUCTIONS:
                raise _Refused("it has far more instructions than a batch of images")
            machine.step(opcode.name, argument)
        return machine.result()
    except _Refused as refused:
        raise BadInput(
            f"{where} was not opened: {refused} (at byte {position:,}).",
            "Loading such a pickle could run code that its author put there. Nothing was run.",
            "Fetch the original set, or its binary version, and compare.",
        ) from None
    except Exception as error:
        # genops and the arithmetic below raise whatever damaged bytes make of them.
        reason = escape_name(" ".join(str(error).split())[:120]) or type(error).__name__
        raise BadInput(
            f"{where} is damaged: {reason} (at byte {position:,}).",
            "It is no whole pickle of arrays.",
            "Fetch or copy it again and compare its checksum.",
        ) from None


class _Machine:
    """The stack, the memo, and one method for each kind of instruction."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._stopped = False

    def result(self) -> Any:
        if not self._stopped or len(self._stack) != 1:
            raise ValueError("it ends too early")
        found = self._stack[0]
        return found.value if isinstance(found, ArrayCell) else found

    def step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _MAKE:
            stack.append(_MAKE[name]())
        elif name in ("STRING", "BINSTRING", "SHORT_BINSTRING"):
            stack.append(Text2(argument))
        elif name in _PUTS:
            self._memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[int(argument)])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name in ("TUPLE", "LIST", "DICT"):
            items = self._to_mark()
            made: Any = tuple(items) if name == "TUPLE" else items
            stack.append(_pairs(items) if name == "DICT" else made)
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._to_mark()
            _of(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._to_mark()
            _of(stack[-1], dict).update(_pairs(items))
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "STOP":
            self._stopped = True
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._to_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            self._symbolic(name, argument)

    def _symbolic(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name == "GLOBAL":
            stack.append(_known(str(argument).replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            member, module = stack.pop(), stack.pop()
            stack.append(_known(f"{module}.{member}"))
        elif name == "REDUCE":
            arguments, made = stack.pop(), stack.pop()
            stack.append(_reduced(_of(made, _Name).name, _of(arguments, tuple)))
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state)
        else:
            raise _Refused(f"it holds the instruction {name}, which no batch of images needs")

    def _to_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        items = stack[at + 1 :]
        del stack[at:]
        return items


def _known(name: str) -> _Name:
    if name not in _NAMES:
        raise _Refused(f"it names {escape_name(name[:120])}, and a batch of images needs no such")
    return _Name(name)


def _of(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__.strip('_').lower()} expected")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("a key without a value")
    for key in items[::2]:
        if not isinstance(key, (str, bytes, int)):
            raise ValueError("a key that is neither text nor a number")
    return dict(zip(items[::2], items[1::2]))


def _reduced(name: str, arguments: tuple[Any, ...]) -> Any:
    if name.endswith("._reconstruct"):
        return ArrayCell()
    if name == "numpy.dtype":
        return _Type(str(arguments[0])[:20])
    if name.endswith("._frombuffer"):
        buffer, kind, shape, order = arguments
        return ArrayCell(_array(buffer, _of(kind, _Type), shape, order == "F"))
    if name.endswith(".scalar"):
        kind, buffer = arguments
        return _array(buffer, _of(kind, _Type), (), False).item()
    if name == "_codecs.encode":
        # How Python 3 writes bytes under protocol 2.
        text, encoding = arguments
        if str(encoding).lower().replace("-", "") != "latin1":
            raise _Refused(f"it encodes text as {escape_name(str(encoding)[:40])}")
        return str(text).encode("latin-1")
    if name.endswith((".bytes", ".bytearray")) and len(arguments) <= 2:
        if not arguments:
            return b""
        found = arguments[0]
        return found.encode("latin-1") if isinstance(found, str) else bytes(_of(found, bytes))
    if name == "collections.OrderedDict" and len(arguments) <= 1:
        pairs = arguments[0] if arguments else []
        return _pairs([value for pair in pairs for value in pair])
    raise _Refused(f"it calls {escape_name(name)}")


def _build(target: Any, state: Any) -> None:
    if isinstance(target, _Type):
        order = _of(state, tuple)[1]
        target.order = str(order)[:1]
        if state[2] is not None or state[3] is not None:
            raise _Refused("it holds an array of records")
        return
    _version, shape, kind, fortran, buffer = _of(state, tuple)
    if not isinstance(target, ArrayCell) or target.value is not None:
        raise ValueError("state for what is no array")
    target.value = _array(buffer, _of(kind, _Type), shape, bool(fortran))


def _array(buffer: Any, kind: _Type, shape: Any, fortran: bool) -> NDArray[Any]:
    dtype = kind.dtype()
    if isinstance(buffer, str):
        buffer = buffer.encode("latin-1")
    if not isinstance(buffer, (bytes, bytearray)):  # of a number, bytes() would make so many zeros
        raise ValueError("an array without bytes")
    raw = bytes(buffer)
    sides = tuple(_of(side, int) for side in _of(shape, tuple))
    if any(side < 0 for side in sides) or math.prod(sides) * dtype.itemsize != len(raw):
        raise ValueError(f"an array declares {sides} and holds {len(raw):,} bytes")
    flat = np.frombuffer(raw, dtype)
    return flat.reshape(sides[::-1]).T if fortran else flat.reshape(sides)
