"""The zip archive of an NPZ file, opened with distrust: members checked before any is unpacked."""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.names import escape_name, listing, shown
from inspector.intake.limits import advice, limit, told

MAX_MEMBERS = 10_000
FREE_EXPANSION = 256 << 20
"""Bytes that an archive may unpack to whatever its ratio: black images shrink a thousandfold."""

_ENCRYPTED = 0x1
_KINDS = "uifb"


@dataclass(frozen=True)
class Member:
    """An array in the archive, known from its header alone.

    Attributes
    ----------
    info : ZipInfo
        The member.
    key : str
        Its name without ``.npy``.
    shape, dtype, fortran_order
        As the header declares; the dtype is None when the header is unreadable.
    pickled : bool
        It holds Python objects, which are never read.
    data_start : int
        Bytes of the header.
    damage : str
        Why the header cannot be read.
    """

    info: zipfile.ZipInfo
    key: str
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None
    fortran_order: bool = False
    pickled: bool = False
    data_start: int = 0
    damage: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it is an array of numbers or booleans."""
        return self.dtype is not None and self.dtype.kind in _KINDS


class NpzArchive:
    """The members of an NPZ file.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : Path
        For messages.

    Attributes
    ----------
    infos : list of ZipInfo
        All members in the order of the archive.
    members : list of Member
        The ``.npy`` members in the order of the archive.
    extra : list of ZipInfo
        Members that are no ``.npy``.

    Raises
    ------
    BadInput
        Not a zip archive, or an ambiguous, encrypted or exploding one.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        self.path = path
        if data.count(b"PK\x01\x02") > 10 * MAX_MEMBERS:
            raise self._refusal("It lists too many members.", "", "Store few large arrays.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:
            # BadZipFile, and struct.error, ValueError, NotImplementedError … from damaged ones.
            raise self._damaged(error) from None
        self.infos = infos = self._zip.infolist()
        self._check(infos, len(data))
        self.members = [self._member(info) for info in infos if info.filename.endswith(".npy")]
        self.extra = [info for info in infos if not info.filename.endswith(".npy")]

    def read(self, member: Member) -> NDArray[Any]:
        """Return an array, read-only.

        Raises
        ------
        BadInput
            It holds Python objects or is damaged.
        """
        where = f"{shown(self.path)}: {escape_name(member.key)}"
        if member.pickled:
            raise BadInput(
                f"{where} holds pickled Python objects, which are not read.",
                "Loading a pickle can run code that its author put there. Nothing was run.",
                "Store the array with a number type.",
            )
        if member.dtype is None:
            raise BadInput(
                f"{where} is damaged: {member.damage}.",
                "",
                "Fetch or copy it again and compare its checksum.",
            )
        if member.dtype.kind not in _KINDS + "US":
            raise BadInput(
                f"{where} has the type {member.dtype}.",
                "Images and labels are arrays of numbers.",
                "Store the array with a number type.",
            )
        size = math.prod(member.shape) * member.dtype.itemsize
        present = member.info.file_size - member.data_start
        if size != present:
            raise BadInput(
                f"{where} declares the shape {member.shape} = {size:,} bytes but holds "
                f"{present:,}.",
                "The archive is cut off or its header is a lie.",
                "Fetch or copy it again and compare its checksum.",
            )
        try:
            with self._zip.open(member.info) as stream:
                stream.read(member.data_start)
                content = stream.read(size)
                stream.read(1)  # reaching the end makes zipfile check the CRC
        except Exception as error:
            raise self._damaged(error) from None
        flat = np.frombuffer(content, member.dtype, math.prod(member.shape))
        if member.fortran_order:
            return flat.reshape(member.shape[::-1]).T
        return flat.reshape(member.shape)

    def open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        """Return a stream over the bytes of a member, to copy it as it is."""
        return self._zip.open(info)

    def _check(self, infos: list[zipfile.ZipInfo], stored: int) -> None:
        if len(infos) > MAX_MEMBERS:
            raise self._refusal("It lists too many members.", "", "Store few large arrays.")
        seen: dict[str, str] = {}
        for info in infos:
            twin = seen.setdefault(info.filename.casefold(), info.filename)
            if twin is not info.filename:
                raise self._refusal(
                    f"It has two members named {escape_name(info.filename)} "
                    f"and {escape_name(twin)}.",
                    "Programs differ in which of them they read.",
                    "Find out which is meant and store the archive again.",
                )
            if info.flag_bits & _ENCRYPTED:
                raise self._refusal("It is encrypted.", "", "Give an archive without a password.")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._refusal(
                    f"{escape_name(info.filename)} is packed by method {info.compress_type}.",
                    "numpy writes only stored and deflated members.",
                    "Save it again with numpy.savez_compressed.",
                )
        total = sum(info.file_size for info in infos)
        if total > limit("array-bytes") or (
            total > FREE_EXPANSION and total > limit("array-ratio") * stored
        ):
            raise self._refusal(
                f"It would expand to {total / (1 << 30):,.1f} GiB from {stored / (1 << 20):,.1f} "
                "MiB.",
                f"The limit is {told('array-bytes')}, and {told('array-ratio')}.",
                advice("array-bytes" if total > limit("array-bytes") else "array-ratio"),
            )

    def _member(self, info: zipfile.ZipInfo) -> Member:
        key = info.filename.removesuffix(".npy")
        try:
            with self._zip.open(info) as stream:
                version = np.lib.format.read_magic(stream)
                if version == (1, 0):
                    header = np.lib.format.read_array_header_1_0(stream)
                elif version == (2, 0):
                    header = np.lib.format.read_array_header_2_0(stream)
                else:
                    return Member(info, key, damage="its format version is unknown")
                shape, fortran_order, dtype = header
                if any(not isinstance(side, int) or side < 0 for side in shape):
                    return Member(info, key, damage="its shape is impossible")
                return Member(
                    info, key, shape, dtype, fortran_order, dtype.hasobject, stream.tell()
                )
        except Exception as error:
            # Whatever a hostile header raises: the array is unreadable, others may be fine.
            pickled = _starts_as_pickle(self._zip, info)
            return Member(info, key, pickled=pickled, damage=_one_line(error))

    def _damaged(self, error: Exception) -> BadInput:
        return self._refusal(
            f"It cannot be unpacked: {_one_line(error)}.",
            "",
            "Fetch or copy it again and compare its checksum.",
        )

    def _refusal(self, detail: str, why: str, fix: str) -> BadInput:
        return BadInput(f"{shown(self.path)} was not opened. {detail}", why, fix)


def _one_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    return escape_name(" ".join(str(error).split())[:120].rstrip(".")) or type(error).__name__


def _starts_as_pickle(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as stream:
            start = stream.read(2)
    except Exception:
        return False
    return start[:1] == b"\x80" and start[1:2] <= b"\x05"


def keys_of(members: list[Member]) -> str:
    """Return the names of some arrays for a sentence."""
    return listing([member.key for member in members], 8) or "nothing"
