"""Reading safetensors: the header is checked, and the tensors are views of the bytes that follow.

The library's reader of bytes copies every tensor, its reader of files maps them, so that they change
with the file. Neither is needed: the format is a table of names, types, shapes and places.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inspector.errors import BadInput
from inspector.intake.models.inert_tensors import Region, flat, unwritable_buffers
from inspector.intake.models.limits import ASK_AGAIN, check_count, check_name

MAX_HEADER = 32 * 1024 * 1024
"""Bytes of a safetensors header: room for 100,000 entries."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The element types that are read."""


@dataclass
class SafetensorsFile:
    """A safetensors file whose header was checked.

    Attributes
    ----------
    tensors : dict of str to Tensor
        In the order of the header; they share the memory of the content.
    metadata : dict of str to str
        What the header says beside the tensors.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)


def read_safetensors(content: bytes, name: str) -> SafetensorsFile:
    """Check the header of a safetensors file and return its tensors.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Its name, for messages.

    Raises
    ------
    BadInput
        The header is damaged, too large, names a tensor twice, or describes other data than
        follows.
    """
    length = int.from_bytes(content[:8], "little")
    header, metadata = _header(content, length, name)
    places = {key: _place(key, entry, name) for key, entry in header.items()}
    present = len(content) - 8 - length
    total = sum(stop - start for _, _, start, stop in places.values())
    if total != present:
        missing = "is cut off" if total > present else "holds bytes that belong to no tensor"
        raise BadInput(
            f"{name} {missing}.",
            f"Its tensors need {total:,} bytes, {present:,} are there.",
            ASK_AGAIN,
        )
    at = 0
    for start, stop in sorted((start, stop) for _, _, start, stop in places.values()):
        if start != at:
            raise BadInput(
                f"{name} is damaged.",
                "Its tensors overlap, or there are holes between them.",
                ASK_AGAIN,
            )
        at = stop
    with unwritable_buffers():
        tensors = {
            key: flat(Region(content, 8 + length + start, stop - start), dtype).view(shape)
            for key, (dtype, shape, start, stop) in places.items()
        }
    return SafetensorsFile(tensors, metadata)


def _header(content: bytes, length: int, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    if length > min(MAX_HEADER, len(content) - 8):
        raise BadInput(
            f"{name} has a header of {length:,} bytes.", "That is no real model.", ASK_AGAIN
        )
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_without_duplicates)
    except _Duplicate as error:
        raise BadInput(
            f"{name} names the tensor {str(error)[:80]!r} twice.",
            "Programs disagree about which of the two counts, so the file is ambiguous.",
            ASK_AGAIN,
        ) from None
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is damaged.", "Its header is not JSON.", ASK_AGAIN) from None
    if not isinstance(header, dict):
        raise BadInput(f"{name} is damaged.", "Its header is no table of tensors.", ASK_AGAIN)
    metadata = header.pop("__metadata__", {})
    check_count(len(header), name)
    for key in header:
        check_name(key, name)
    if not isinstance(metadata, dict):
        metadata = {}
    return header, {key: value for key, value in metadata.items() if isinstance(value, str)}


class _Duplicate(Exception):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Duplicate(key)
        found[key] = value
    return found


def _place(key: str, entry: Any, name: str) -> tuple[torch.dtype, tuple[int, ...], int, int]:
    try:
        dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = [*shape, start, stop]
        if not all(type(size) is int and 0 <= size < 1 << 48 for size in sizes) or len(shape) > 8:
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise BadInput(
            f"{name} is damaged.",
            f"Its entry for {key!r} is no description of a tensor.",
            ASK_AGAIN,
        ) from None
    if type(dtype) is not str or dtype not in DTYPES:
        raise BadInput(
            f"{name} stores {key!r} as {str(dtype)[:40]!r}.",
            f"Only {', '.join(DTYPES)} are read.",
            "Convert the weights to float32.",
        )
    wanted = math.prod(shape) * DTYPES[dtype].itemsize
    if stop - start != wanted:
        raise BadInput(
            f"{name} is damaged.",
            f"The tensor {key!r} needs {wanted:,} bytes and has {stop - start:,}.",
            ASK_AGAIN,
        )
    return DTYPES[dtype], tuple(shape), start, stop
