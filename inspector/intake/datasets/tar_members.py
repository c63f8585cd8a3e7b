"""The members of a tar archive, listed without trust: header by header, nothing extracted.

Python's ``tarfile`` reads extended headers of any size into memory and follows what they say of
sparse files; a dataset needs regular files alone (POSIX.1-1988 ustar, with the long names of GNU
and pax). Every other kind of member is counted and skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from inspector.intake.limits import limit, told

BLOCK = 512
MAX_EXTENDED = 1 << 20
"""Bytes of an extended header: it holds a name and a few numbers."""

_REGULAR = (b"0", b"\0", b"7")
_LONG_NAME = b"L"
_PAX = b"x"
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")


class DamagedTar(ValueError):
    """What is wrong with an archive, in a few words."""


@dataclass(frozen=True)
class TarMember:
    """One regular file in the archive.

    Attributes
    ----------
    name : str
        Path (undecodable bytes as lone surrogates).
    start : int
        Offset of its first header, extended ones included.
    data : int
        Offset of its bytes.
    size : int
        Number of bytes.
    """

    name: str
    start: int
    data: int
    size: int

    @property
    def end(self) -> int:
        """Offset of what follows, padding included."""
        return self.data + -(-self.size // BLOCK) * BLOCK


def looks_like_tar(head: bytes) -> bool:
    """Tell whether a file starts with a tar header, by its checksum."""
    return len(head) >= BLOCK and head[0] != 0 and _checksum_fits(head[:BLOCK])


def members(descriptor: int, length: int) -> Iterator[TarMember | None]:
    """Yield the regular files of an archive; None for each other member.

    Parameters
    ----------
    descriptor : int
        The opened archive.
    length : int
        Its size in bytes.

    Raises
    ------
    DamagedTar
        A header is damaged or a member reaches beyond the end.
    """
    offset = start = 0
    name = ""
    size: int | None = None
    count = 0
    while offset + BLOCK <= length:
        header = os.pread(descriptor, BLOCK, offset)
        if not header.strip(b"\0"):
            return  # the end mark; what follows it is padding
        if not _checksum_fits(header):
            raise DamagedTar(f"the header at byte {offset:,} has a wrong checksum")
        count += 1
        if count > limit("tar-members"):
            raise DamagedTar(f"it has more than {told('tar-members')}")
        kind = header[156:157]
        declared = _number(header[124:136]) if kind not in _WITHOUT_DATA else 0
        if kind in _REGULAR and size is not None:
            declared = size
        data = offset + BLOCK
        following = data + -(-declared // BLOCK) * BLOCK
        if following > length:
            raise DamagedTar(
                f"the member at byte {offset:,} declares {declared:,} bytes and "
                f"{max(0, length - data):,} are left"
            )
        if kind in (_LONG_NAME, _PAX):
            if declared > MAX_EXTENDED:
                raise DamagedTar(f"the extended header at byte {offset:,} is far too long")
            extended = os.pread(descriptor, declared, data)
            if kind == _LONG_NAME:
                name = os.fsdecode(extended.split(b"\0", 1)[0])
            else:
                said = _records(extended)
                name = said.get("path", name)
                size = _stated_size(said.get("size", ""), size)
            offset = following
            continue
        if kind in _REGULAR:
            yield TarMember(name or _name(header), start, data, declared)
        else:
            yield None
        name, size = "", None
        offset = start = following
    if length - offset > 0:
        raise DamagedTar(f"it ends within the header at byte {offset:,}")


def _checksum_fits(header: bytes) -> bool:
    try:
        stated = _number(header[148:156])
    except DamagedTar:
        return False
    return stated == sum(header[:148]) + sum(header[156:BLOCK]) + 8 * 32


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":  # GNU's way of saying sizes beyond 8 GiB
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0", 1)[0].strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise DamagedTar("a number in a header is no number") from None


def _stated_size(text: str, otherwise: int | None) -> int | None:
    # isdigit() alone also takes superscripts, and any number of digits; int() takes neither.
    plain = text.isascii() and text.isdigit() and len(text) <= 20
    return int(text) if plain else otherwise


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    above = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return os.fsdecode(above + b"/" + name if above else name)


def _records(data: bytes) -> dict[str, str]:
    """Return what a pax header says: records of ``length key=value LF``."""
    said: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or len(length) > 9 or not 5 <= int(length) <= len(data):
            break
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        said[os.fsdecode(key)] = os.fsdecode(value)
        data = data[int(length) :]
    return said
