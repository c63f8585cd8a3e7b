"""What must hold of a weights file before a library parses it: no ambiguity, no bomb.

torch and Python's zipfile disagree about archives with duplicate names (torch reads the first,
regardless of case; zipfile the last), so what one of them checked the other might not load. Such
files are refused, as is anything that expands.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import Any

from inspector.errors import BadInput
from inspector.intake.sniff import MAX_MEMBERS

MAX_TENSORS = 100_000
"""More tensors than any real network has; reading half a million empty ones takes 14 s."""

MAX_HEADER = 32 * 1024 * 1024
"""Bytes of a safetensors header: room for `MAX_TENSORS` entries."""

MAX_PICKLE = 64 * 1024 * 1024
"""Bytes of the pickle in a checkpoint, which names the tensors but does not hold them."""

DTYPE_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""The element types that are read from safetensors, with their sizes."""

ASK_AGAIN = "Ask for the weights again, as a state_dict or a safetensors file."


def check_safetensors(content: bytes, name: str) -> dict[str, str]:
    """Check the header of a safetensors file and return its metadata.

    Raises
    ------
    BadInput
        The header is damaged, too large, names a tensor twice, or describes other data than
        follows.
    """
    length = int.from_bytes(content[:8], "little")
    if length > min(MAX_HEADER, len(content) - 8):
        raise BadInput(
            f"{name} has a header of {length:,} bytes.", "That is no real model.", ASK_AGAIN
        )
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_without_duplicates)
    except _Duplicate as error:
        raise BadInput(
            f"{name} names the tensor {str(error)!r} twice.",
            "Programs disagree about which of the two counts, so the file is ambiguous.",
            ASK_AGAIN,
        ) from None
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is damaged.", "Its header is not JSON.", ASK_AGAIN) from None
    if not isinstance(header, dict):
        raise BadInput(f"{name} is damaged.", "Its header is no table of tensors.", ASK_AGAIN)
    metadata = header.pop("__metadata__", {})
    if len(header) > MAX_TENSORS:
        raise BadInput(
            f"{name} lists {len(header):,} tensors.",
            f"At most {MAX_TENSORS:,} are read.",
            ASK_AGAIN,
        )
    total = sum(_tensor_bytes(key, entry, name) for key, entry in header.items())
    present = len(content) - 8 - length
    if total != present:
        missing = "is cut off" if total > present else "holds bytes that belong to no tensor"
        raise BadInput(
            f"{name} {missing}.",
            f"Its tensors need {total:,} bytes, {present:,} are there.",
            ASK_AGAIN,
        )
    if not isinstance(metadata, dict):
        return {}
    return {key: value for key, value in metadata.items() if isinstance(value, str)}


class _Duplicate(Exception):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Duplicate(key)
        found[key] = value
    return found


def _tensor_bytes(key: str, entry: Any, name: str) -> int:
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = [*shape, start, end]
        if not all(type(size) is int and 0 <= size < 1 << 48 for size in sizes) or len(shape) > 8:
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise BadInput(
            f"{name} is damaged.",
            f"Its entry for {key!r} is no description of a tensor.",
            ASK_AGAIN,
        ) from None
    if dtype not in DTYPE_BYTES:
        raise BadInput(
            f"{name} stores {key!r} as {dtype!r}.",
            f"Only {', '.join(DTYPE_BYTES)} are read.",
            "Convert the weights to float32.",
        )
    wanted = math.prod(shape) * DTYPE_BYTES[dtype]
    if end - start != wanted:
        raise BadInput(
            f"{name} is damaged.",
            f"The tensor {key!r} needs {wanted:,} bytes and has {end - start:,}.",
            ASK_AGAIN,
        )
    return wanted


def check_archive(content: bytes, name: str) -> tuple[bytes, list[str]]:
    """Check a zip checkpoint; return its pickle, and findings that do not prevent reading.

    Raises
    ------
    BadInput
        The archive is damaged, ambiguous, encrypted or compressed, or larger inside than outside.
    """
    if content.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise BadInput(
            f"{name} has more than {MAX_MEMBERS:,} members.", "That is no model.", ASK_AGAIN
        )
    # torch.save writes no archive comment: with the end record at the very end there is one
    # directory only that a reader can find.
    if content[-22:-18] != b"PK\x05\x06" or content[-2:] != b"\0\0":
        raise BadInput(
            f"{name} is cut off, or something was added to it.",
            "A PyTorch checkpoint ends with the directory of its archive; this file does not.",
            ASK_AGAIN,
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _check_members(archive, len(content), name)
    except BadInput:
        raise
    except Exception:
        # zipfile raises a dozen kinds on hostile directories, from BadZipFile to
        # UnicodeDecodeError.
        raise BadInput(f"{name} is damaged.", "Its archive cannot be read.", ASK_AGAIN) from None


def _check_members(archive: zipfile.ZipFile, size: int, name: str) -> tuple[bytes, list[str]]:
    members = archive.infolist()
    names = [member.filename for member in members]
    folded = {member.casefold() for member in names}
    if len(folded) != len(names):
        raise BadInput(
            f"{name} holds two members with one name.",
            "A checker and PyTorch would each read another one: this is how poison is hidden.",
            ASK_AGAIN,
        )
    for member in members:
        parts = member.filename.split("/")
        if member.filename.startswith("/") or ".." in parts or "\\" in member.filename:
            raise BadInput(f"{name} names a path outside itself.", fix=ASK_AGAIN)
        if member.flag_bits & 0x1:
            raise BadInput(f"{name} is encrypted.", fix="Ask for it without a password.")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise BadInput(
                f"{name} holds compressed members.",
                "torch.save never compresses; a small file could expand to any size.",
                ASK_AGAIN,
            )
    if len({member.split("/")[0] for member in names}) != 1:
        raise BadInput(f"{name} holds more than one archive folder.", fix=ASK_AGAIN)
    if sum(member.file_size for member in members) > size:
        raise BadInput(
            f"{name} claims to be larger inside than it is.", "Its members overlap.", ASK_AGAIN
        )
    if members and min(member.header_offset for member in members) != 0:
        raise BadInput(f"{name} has foreign bytes before its archive.", fix=ASK_AGAIN)
    pickles = [member for member in members if member.filename.partition("/")[2] == "data.pkl"]
    if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE:
        raise BadInput(f"{name} has no readable table of contents (data.pkl).", fix=ASK_AGAIN)
    findings = []
    damaged = archive.testzip()
    if damaged is not None:
        # torch does not look at these checksums, so the weights would load silently.
        findings.append(
            f"The checksum of {damaged!r} inside the file does not match: damaged, edited after it"
            " was saved, or written without checksums."
        )
    # Not archive.read, which refuses a member whose checksum does not match; torch would read it.
    start = pickles[0].header_offset
    return _stored_bytes(archive, start, pickles[0].file_size), findings


def _stored_bytes(archive: zipfile.ZipFile, start: int, size: int) -> bytes:
    file = archive.fp
    if file is None:
        raise zipfile.BadZipFile
    file.seek(start)
    header = file.read(30)
    names = sum(int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
    file.seek(start + 30 + names)
    return file.read(size)
