"""Writer for CIFAR's python batches: the same dictionaries with rows taken out.

Written instruction by instruction, so that text which Python 2 wrote stays what it was: readers
with ``encoding="latin1"`` and with ``encoding="bytes"`` both find the keys that they look for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.array_pickle import Text2
from inspector.intake.datasets.cifar_python import CifarPython, plain_array
from inspector.intake.datasets.names import shown

_DEEPEST = 8


def write_cifar_python(
    dataset: CifarPython, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Write each batch without the rows that are not kept; one may become empty.

    Raises
    ------
    BadInput
        A batch holds something beside arrays, lists, text and numbers.
    OSError
        They cannot be written.
    """
    start = 0
    for number, (path, batch) in enumerate(zip(dataset.batches, dataset.entries)):
        control.check()
        control.progress("export", number, len(dataset.batches), "writing batches")
        rows = dataset.parts[number][1]
        inside = kept[(kept >= start) & (kept < start + rows)] - start
        start += rows
        filtered = {key: _filtered(value, rows, inside) for key, value in batch.items()}
        protocol = max(2, min(dataset.protocols[number], 4))
        try:
            chunks = [b"\x80" + bytes([protocol]), *_emit(filtered, protocol, 0), b"."]
        except _NotPlain as odd:
            raise BadInput(
                f"{shown(path)} cannot be exported: it holds {odd}.",
                "A batch holds arrays, lists, text and numbers.",
                "Export the list of kept samples instead.",
            ) from None
        write_chunks(folder / path.name, chunks)
    control.progress("export", len(dataset.batches), len(dataset.batches), "writing batches")


class _NotPlain(ValueError):
    pass


def _filtered(value: Any, rows: int, inside: NDArray[np.intp]) -> Any:
    value = plain_array(value)
    if isinstance(value, np.ndarray) and value.ndim and len(value) == rows:
        return value[inside]
    if isinstance(value, (list, tuple)) and len(value) == rows:
        return type(value)(value[row] for row in inside)
    return value


def _emit(value: Any, protocol: int, depth: int) -> Iterator[bytes]:
    """Yield the pickle instructions that make a value; see ``pickletools`` for their names."""
    value = plain_array(value)
    if depth > _DEEPEST:
        raise _NotPlain("lists within lists beyond any use")
    if value is None or isinstance(value, bool):
        yield {None: b"N", True: b"\x88", False: b"\x89"}[value]
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, float):
        yield b"G" + struct.pack(">d", value)
    elif isinstance(value, Text2):
        yield _text2(value.encode("latin-1"))
    elif isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        yield b"X" + struct.pack("<I", len(raw)) + raw
    elif isinstance(value, (bytes, bytearray)):
        yield from _bytes(bytes(value), protocol)
    elif isinstance(value, dict):
        yield b"}("
        for key, inner in value.items():
            yield from _emit(key, protocol, depth + 1)
            yield from _emit(inner, protocol, depth + 1)
        yield b"u"
    elif isinstance(value, (list, tuple)):
        yield b"](" if isinstance(value, list) else b"("
        for inner in value:
            yield from _emit(inner, protocol, depth + 1)
        yield b"e" if isinstance(value, list) else b"t"
    elif isinstance(value, np.ndarray):
        yield from _array(value, protocol)
    else:
        raise _NotPlain(f"a {type(value).__name__.strip('_').lower()}")


def _array(array: NDArray[Any], protocol: int) -> Iterator[bytes]:
    # The names of NumPy 1, which NumPy 2 still knows; the other way round does not hold.
    yield b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
    yield _text2(b"b") if protocol == 2 else b"C\x01b"
    yield b"\x87R(K\x01("
    for side in array.shape:
        yield _integer(side)
    code, order = array.dtype.str[1:], array.dtype.str[:1]
    yield b"tcnumpy\ndtype\n" + _name(code, protocol) + b"\x89\x88\x87R(K\x03"
    yield _name(order, protocol) + b"NNN" + 2 * _integer(-1) + b"K\x00tb"
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    yield b"\x88" if fortran else b"\x89"
    content = array.tobytes("F" if fortran else "C")
    if protocol == 2:
        yield _text2(content)
    else:
        yield from _bytes(content, protocol)
    yield b"tb"


def _name(text: str, protocol: int) -> bytes:
    if protocol == 2:
        return _text2(text.encode())
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if len(raw) > 255:
        raise _NotPlain("a number beyond any use")
    return b"\x8a" + bytes([len(raw)]) + raw


def _text2(raw: bytes) -> bytes:
    if len(raw) < 256:
        return b"U" + bytes([len(raw)]) + raw
    return b"T" + struct.pack("<i", len(raw)) + raw


def _bytes(raw: bytes, protocol: int) -> Iterator[bytes]:
    if protocol >= 3:
        if len(raw) >= 1 << 32:
            raise _NotPlain("more than 4 GiB in one piece")
        yield b"B" + struct.pack("<I", len(raw))
        yield raw
        return
    # How Python 3 writes bytes for Python 2.
    text = raw.decode("latin-1").encode("utf-8")
    yield b"c_codecs\nencode\nX" + struct.pack("<I", len(text)) + text
    yield b"X\x06\x00\x00\x00latin1\x86R"
