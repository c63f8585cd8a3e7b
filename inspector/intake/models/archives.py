"""What must hold of a zip checkpoint before it is read: one meaning, nothing that expands.

torch and Python's zipfile disagree about archives with duplicate names (torch reads the first,
regardless of case; zipfile the last), so what one of them checked the other might not load. Such
files are refused, as is anything that expands. What is odd but has one meaning is reported.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.limits import limit
from inspector.intake.models.limits import ASK_AGAIN
from inspector.intake.sniff import MAX_MEMBERS

MAX_PROGRAM = 32 * 1024 * 1024
"""Bytes of all program texts of a TorchScript archive, expanded."""

_END = b"PK\x05\x06"
_LOCAL = b"PK\x03\x04"
_DESCRIPTOR = 24  # bytes that may follow a member's data, in the longest form
_CHUNK = 1 << 24
# What torch.save and torch.jit.save write beside the pickle and the storages.
_USUAL = (
    *("version", "byteorder", "constants.pkl", ".format_version", ".storage_alignment"),
    *("bytecode.pkl", "mobile_debug_handles.pkl", "attributes.pkl", "traced_inputs.pkl"),
)
_USUAL_FOLDERS = ("data/", "constants/", "code/", ".data/", "extra/", "traced_inputs/")


@dataclass(frozen=True)
class Member:
    """One member of the archive: where its bytes lie in the file."""

    start: int
    size: int
    stored_size: int
    deflated: bool


@dataclass
class Archive:
    """A zip checkpoint whose directory was checked.

    Attributes
    ----------
    content : bytes
        The whole file.
    folder : str
        The one folder in it that everything lies in.
    members : dict of str to Member
        By name below that folder: "data.pkl", "data/0".
    anomalies : list of str
        What no PyTorch program writes, and does not prevent reading.
    checksum_errors : list of str
        Members whose checksum does not match their bytes.
    """

    content: bytes
    folder: str
    members: dict[str, Member]
    anomalies: list[str] = field(default_factory=list)
    checksum_errors: list[str] = field(default_factory=list)

    def bytes_of(self, name: str) -> bytes:
        """Return a member's bytes, expanded where TorchScript compresses; b"" when missing.

        Raises
        ------
        BadInput
            It expands to more than it says, or to other bytes than zlib understands.
        """
        member = self.members.get(name)
        if member is None:
            return b""
        stored = self.content[member.start : member.start + member.stored_size]
        if not member.deflated:
            return stored
        unpacking = zlib.decompressobj(-15)
        try:
            expanded = unpacking.decompress(stored, member.size + 1)
        except zlib.error:
            expanded = b""
        if len(expanded) != member.size:
            raise BadInput(
                f"The member {name!r} of the archive is damaged or larger than it says.",
                fix=ASK_AGAIN,
            )
        return expanded


def check_archive(content: bytes, name: str, control: Control | None = None) -> Archive:
    """Check a zip checkpoint and return where its members lie.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Its name, for messages.
    control : Control, optional
        Checked while checksums are computed.

    Raises
    ------
    BadInput
        The archive is damaged, ambiguous, encrypted or compressed, or larger inside than outside.
    """
    if content.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise BadInput(
            f"{name} has more than {MAX_MEMBERS:,} members.", "That is no model.", ASK_AGAIN
        )
    comment = _check_end(content, name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            directory, listed = archive.start_dir, archive.infolist()
    except Exception:
        # zipfile raises a dozen kinds on hostile directories, from BadZipFile to
        # UnicodeDecodeError.
        raise BadInput(f"{name} is damaged.", "Its archive cannot be read.", ASK_AGAIN) from None
    _check_names(listed, name)
    _check_sizes(listed, len(content), name)
    found = Archive(content, listed[0].filename.partition("/")[0], {})
    if comment:
        found.anomalies.append(f"The archive has a comment of {comment:,} bytes.")
    _locate(found, listed, directory, name)
    _check_pickle(found, name)
    _check_sums(found, listed, control or Control())
    return found


def _check_end(content: bytes, name: str) -> int:
    """Make sure that the file has one end record, at its end; return the length of the comment."""
    # With one end record there is one directory only that a reader can find.
    tail = content[-(22 + 0xFFFF) :]
    at = tail.rfind(_END)
    length = int.from_bytes(tail[at + 20 : at + 22], "little") if at >= 0 else -1
    if at < 0 or len(tail) - at - 22 != length:
        raise BadInput(
            f"{name} is cut off, or something was added to it.",
            "A PyTorch checkpoint ends with the directory of its archive; this file does not.",
            ASK_AGAIN,
        )
    if length and tail.find(_END) != at:
        raise BadInput(
            f"{name} has two ends of an archive.",
            "Programs disagree about which of the two counts, so the file is ambiguous.",
            ASK_AGAIN,
        )
    return length


def _check_names(listed: list[zipfile.ZipInfo], name: str) -> None:
    names = [member.filename for member in listed]
    if not names:
        raise BadInput(f"{name} is an empty archive.", fix=ASK_AGAIN)
    if len({member.casefold() for member in names}) != len(names):
        raise BadInput(
            f"{name} holds two members with one name.",
            "A checker and PyTorch would each read another one: this is how poison is hidden.",
            ASK_AGAIN,
        )
    for member in names:
        if member.startswith("/") or ".." in member.split("/") or "\\" in member:
            raise BadInput(f"{name} names a path outside itself.", fix=ASK_AGAIN)
    if len({member.partition("/")[0] for member in names}) != 1:
        raise BadInput(f"{name} holds more than one archive folder.", fix=ASK_AGAIN)


def _check_sizes(listed: list[zipfile.ZipInfo], size: int, name: str) -> None:
    for member in listed:
        if member.flag_bits & 0x1:
            raise BadInput(f"{name} is encrypted.", fix="Ask for it without a password.")
        stored = member.compress_type == zipfile.ZIP_STORED
        if stored and member.file_size == member.compress_size:
            continue
        # torch.jit.save compresses program texts and nothing else.
        program = "/code/" in member.filename and member.compress_type == zipfile.ZIP_DEFLATED
        if not program:
            raise BadInput(
                f"{name} holds compressed members.",
                "torch.save never compresses; a small file could expand to any size.",
                ASK_AGAIN,
            )
    if sum(member.compress_size for member in listed) > size:
        raise BadInput(
            f"{name} claims to be larger inside than it is.", "Its members overlap.", ASK_AGAIN
        )
    if sum(m.file_size for m in listed if m.compress_type != zipfile.ZIP_STORED) > MAX_PROGRAM:
        raise BadInput(
            f"{name} holds program texts of more than {MAX_PROGRAM:,} bytes.",
            "No model has so many.",
            ASK_AGAIN,
        )


def _locate(found: Archive, listed: list[zipfile.ZipInfo], directory: int, name: str) -> None:
    """Find every member's bytes by its own header, which must say what the directory says."""
    content, gaps, at = found.content, 0, 0
    for member in sorted(listed, key=lambda member: member.header_offset):
        header = content[member.header_offset : member.header_offset + 30]
        if len(header) < 30 or header[:4] != _LOCAL:
            raise BadInput(f"{name} is damaged.", "A member is not where it should be.", ASK_AGAIN)
        if member.header_offset and not at:
            raise BadInput(f"{name} has foreign bytes before its archive.", fix=ASK_AGAIN)
        method, length, extra = struct.unpack_from("<8xH16xHH", header)
        start = member.header_offset + 30 + length + extra
        named = content[member.header_offset + 30 : member.header_offset + 30 + length]
        if named != member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437"):
            raise BadInput(
                f"{name} calls one member by two names.",
                "A checker and PyTorch could each read another one: this is how poison is hidden.",
                ASK_AGAIN,
            )
        if member.header_offset < at or start + member.compress_size > directory:
            raise BadInput(
                f"{name} claims to be larger inside than it is.", "Its members overlap.", ASK_AGAIN
            )
        if method != member.compress_type:
            raise BadInput(f"{name} is damaged.", "Its headers contradict each other.", ASK_AGAIN)
        gaps += _gap(member.header_offset - at)
        at = start + member.compress_size
        short = member.filename.partition("/")[2]
        found.members[short] = Member(
            start, member.file_size, member.compress_size, member.compress_type != 0
        )
    gaps += _gap(directory - at)
    if gaps:
        found.anomalies.append(f"{gaps:,} bytes between its members belong to none of them.")
    foreign = [
        short
        for short in found.members
        if short != "data.pkl" and short not in _USUAL and not short.startswith(_USUAL_FOLDERS)
    ]
    if foreign:
        found.anomalies.append(
            f"{len(foreign):,} members that PyTorch does not write, {foreign[0]!r} among them."
        )


def _gap(size: int) -> int:
    return size if size > _DESCRIPTOR else 0


def _check_pickle(found: Archive, name: str) -> None:
    pickled = found.members.get("data.pkl")
    if pickled is None or pickled.size > limit("model-pickle"):
        raise BadInput(f"{name} has no readable table of contents (data.pkl).", fix=ASK_AGAIN)
    order = found.bytes_of("byteorder")
    if order not in (b"", b"little"):
        raise BadInput(
            f"{name} was written on a machine with another order of bytes.",
            "Only the usual order (little endian) is read.",
            ASK_AGAIN,
        )


def _check_sums(found: Archive, listed: list[zipfile.ZipInfo], control: Control) -> None:
    """Compare checksums: torch does not look at them, so damaged weights would load silently."""
    view = memoryview(found.content)
    for member in listed:
        short = member.filename.partition("/")[2]
        place = found.members[short]
        if place.deflated:
            computed = zlib.crc32(found.bytes_of(short))
        else:
            computed = 0
            for start in range(place.start, place.start + place.size, _CHUNK):
                control.check()
                stop = min(start + _CHUNK, place.start + place.size)
                computed = zlib.crc32(view[start:stop], computed)
        if computed != member.CRC:
            found.checksum_errors.append(member.filename)
