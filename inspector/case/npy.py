"""Map ``.npy`` files that a process wrote which had parsed hostile bytes.

Nothing of the file is believed. The path is walked without following links, the header must be
spelled exactly as NumPy spells it, must name a plain dtype, and must agree to the byte with the
size of the file and with what the case recorded.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from inspector.case.inside import open_inside
from inspector.errors import CaseError

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *(f"float{bits}" for bits in (16, 32, 64)),
    )
}
"""What an array of a case may hold: plain little-endian numbers, never objects or records."""

_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[<|][biuf][1248])', 'fortran_order': False, "
    r"'shape': \((?P<shape>|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), \}\s*"
)
_LONGEST_HEADER = 4096


def dtype_name(dtype: str | np.dtype[Any] | type) -> str:
    """Return the name under which a dtype is recorded, "float32" for ``"<f4"``.

    Raises
    ------
    CaseError
        Not one of `DTYPES`.
    """
    try:
        name = np.dtype(dtype).name
        if DTYPES.get(name) == np.dtype(dtype):
            return name
    except TypeError:
        pass
    raise CaseError(
        f"An array of {str(dtype)[:80]!r} was refused.",
        f"A case holds only {', '.join(DTYPES)}.",
    )


def relative_path(relpath: str | os.PathLike[str], folder: Path) -> str:
    """Return a path inside ``folder`` with forward slashes.

    Raises
    ------
    CaseError
        It leads elsewhere.
    """
    given = Path(relpath)
    if given.is_absolute():
        try:
            given = given.relative_to(folder)
        except ValueError:
            raise _outside(relpath) from None
    pure = PurePosixPath(given.as_posix())
    if not pure.parts or ".." in pure.parts or "\0" in str(pure):
        raise _outside(relpath)
    return str(pure)


def map_array(folder: Path, relpath: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array read-only after checking that the file is exactly what is expected.

    Parameters
    ----------
    folder : Path
        The folder that the file must lie in.
    relpath : str
        Where, relative to it; no component may be a link.
    dtype : str
        Name out of `DTYPES`.
    shape : tuple of int

    Returns
    -------
    numpy.memmap
        (An ordinary empty array where there is nothing to map.)

    Raises
    ------
    CaseError
        Missing, a link, no ordinary file, or not what was recorded.
    """
    with open_array(folder, relpath) as file:
        found, start = _read_header(file, relpath)
        wanted = (DTYPES[dtype], shape)
        if found != wanted:
            raise _refused(relpath, f"it holds {_words(*found)}, recorded is {_words(*wanted)}")
        size = os.fstat(file.fileno()).st_size
        needed = start + _nbytes(*wanted)
        if size != needed:
            raise _refused(relpath, f"it has {size} bytes instead of {needed}")
        if needed == start:
            return np.empty(shape, wanted[0])
        return np.memmap(file, wanted[0], mode="r", offset=start, shape=shape)


def open_array(folder: Path, relpath: str) -> BinaryIO:
    """Open the file of an array below ``folder``, following no link on the way.

    Raises
    ------
    CaseError
        Missing, a link, or no ordinary file.
    """
    try:
        return open_inside(folder, relpath)
    except OSError as error:
        raise _refused(relpath, f"it cannot be opened: {error.strerror or error}") from error


def _read_header(file: BinaryIO, relpath: str) -> tuple[tuple[np.dtype[Any], tuple[int, ...]], int]:
    magic = file.read(8)
    if len(magic) != 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise _refused(relpath, "it is not a .npy file of version 1 to 3")
    width = "<H" if magic[6] == 1 else "<I"
    field = file.read(struct.calcsize(width))
    length = struct.unpack(width, field)[0] if len(field) == struct.calcsize(width) else 0
    text = file.read(length) if 0 < length <= _LONGEST_HEADER else b""
    match = _HEADER.fullmatch(text.decode("latin-1"))
    if len(text) != length or match is None:
        raise _refused(relpath, "its header is not one that Inspector writes")
    descr = match["descr"]
    known = {dtype.str: dtype for dtype in DTYPES.values()}
    if descr not in known:
        raise _refused(relpath, f"it holds {descr!r}, which a case never holds")
    shape = tuple(int(part) for part in match["shape"].replace(" ", "").split(",") if part)
    return (known[descr], shape), 8 + len(field) + length


def _nbytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    size = dtype.itemsize
    for length in shape:
        size *= length
    return size


def _words(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"{dtype.name} {' × '.join(map(str, shape)) or 'scalar'}"


def _outside(relpath: object) -> CaseError:
    return CaseError(
        f"The array file {str(relpath)[:200]!r} was refused.",
        "It does not lie in the derived/ folder of the case.",
    )


def _refused(relpath: str, why: str) -> CaseError:
    return CaseError(
        f"The derived array {relpath} cannot be used.",
        f"{why[0].upper()}{why[1:]}.",
        "Run the scan again: it writes what is missing and keeps the rest.",
    )
