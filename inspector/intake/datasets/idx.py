"""IDX files, the format of MNIST: an images file and a labels file, each perhaps gzipped.

Layout (LeCun, Cortes and Burges 1998): two zero bytes, the element type (0x08: unsigned byte),
the number of dimensions, each dimension as a big-endian 32-bit integer, then the elements.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.array_checks import checked_labels, image_layout
from inspector.intake.datasets.array_dataset import ArrayDataset, read_hashed
from inspector.intake.datasets.names import count_of, listing, shown
from inspector.intake.datasets.splits import choose_split, split_in
from inspector.intake.limits import limit

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<role>images?|labels?)(?P<rest>[-._]?(?:idx\d(?:[-._]?ubyte)?)?(?:\.gz)?)",
    re.IGNORECASE,
)
# Deflate cannot shrink further than 1032 to 1, so a header that claims more is a lie.
_DEFLATE_LIMIT = 1032

GZIP_MAGIC = b"\x1f\x8b"


class IdxDataset(ArrayDataset):
    """A pair of IDX files. Build it with `read_idx_pair` or `read_idx_folder`.

    Attributes
    ----------
    images_file, labels_file : Path
        The two files.
    stored_labels : ndarray, shape (n,), uint8
        Labels as stored.
    """

    format = "idx"
    images_file: Path
    labels_file: Path
    stored_labels: NDArray[np.uint8]


def is_idx_name(name: str) -> bool:
    """Tell whether a file is an IDX file by its name (``…-images-idx3-ubyte``, ``….gz``)."""
    match = _NAME.fullmatch(name)
    return bool(match and "idx" in match["rest"].lower())


def is_same_part(name: str, other: str) -> bool:
    """Tell whether two names stand for one part of one set: compressed and not, say."""
    one, two = _NAME.fullmatch(name), _NAME.fullmatch(other)
    return bool(
        one
        and two
        and one["prefix"] == two["prefix"]
        and one["role"][0].lower() == two["role"][0].lower()
    )


def partners_of(path: Path) -> list[str]:
    """Return the names that the other file of a pair usually has, of those that are there.

    Asked for one by one: the engine may read the pair, and not list the folder that it lies in.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        return []
    is_image = match["role"].lower().startswith("image")
    roles = ("labels", "label", "LABELS") if is_image else ("images", "image", "IMAGES")
    plain = match["rest"][:-3] if match["rest"].lower().endswith(".gz") else match["rest"]
    rests = [re.sub(r"(?<=idx)\d", digit, plain, flags=re.IGNORECASE) for digit in "134"]
    names = [
        f"{match['prefix']}{role}{rest}{end}"
        for role in roles
        for rest in dict.fromkeys(rests)
        for end in ("", ".gz")
    ]
    return [name for name in names if path.with_name(name).is_file()]


def read_idx_folder(root: Path, names: list[str], wanted: str | None = None) -> IdxDataset:
    """Read the training pair of a folder.

    Parameters
    ----------
    root : Path
        The folder.
    names : list of str
        Names of the regular files in it.
    wanted : str, optional
        The split to read, such as ``test`` (``t10k`` counts as that); training without it.

    Raises
    ------
    BadInput
        No pair is there, several could be meant, or a file is damaged.
    """
    pairs = _pairs(names)
    if not pairs:
        found = [name for name in sorted(names) if is_idx_name(name)]
        raise BadInput(
            f"{shown(root)} holds no pair of IDX files, only {listing(found)}.",
            "Images and labels are told apart by their names (train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte).",
            "Put both files of the set into the folder under their usual names.",
        )
    splits = {prefix: _split_of(prefix) for prefix in pairs}
    if wanted is None:
        training = [prefix for prefix in pairs if splits[prefix] == "train"]
        chosen = training or list(pairs)
    else:
        split = choose_split(filter(None, splits.values()), wanted, shown(root))
        chosen = [prefix for prefix in pairs if splits[prefix] == split]
    if len(chosen) > 1:
        raise BadInput(
            f"{shown(root)} holds several IDX sets: {listing([pairs[p][0] for p in chosen], 6)}.",
            "Only one set is scanned at a time.",
            "Give the images file of the set instead of the folder.",
        )
    images, labels, twins = pairs[chosen[0]]
    notes = []
    rest = [pairs[prefix][0] for prefix in pairs if prefix != chosen[0]]
    if rest:
        notes.append(f"{listing([images])} is scanned; {listing(rest)} holds another set.")
    if twins:
        notes.append(f"{listing(twins)} holds the same set compressed and is not read.")
    dataset = _read(root, root / images, root / labels, notes)
    dataset.split = splits[chosen[0]]
    dataset.splits = tuple(sorted(filter(None, set(splits.values()))))
    return dataset


def read_idx_pair(path: Path, names: list[str]) -> IdxDataset:
    """Read the set that an images (or labels) file belongs to.

    Parameters
    ----------
    path : Path
        One of the two files.
    names : list of str
        Names of the regular files beside it.

    Raises
    ------
    BadInput
        The other file is not there, or one is damaged.
    """
    match = _NAME.fullmatch(path.name)
    other = None
    if match:
        wanted = "label" if match["role"].lower().startswith("image") else "image"
        same = [
            (name, found)
            for name in sorted(names)
            if (found := _NAME.fullmatch(name))
            and found["prefix"] == match["prefix"]
            and found["role"].lower().startswith(wanted)
        ]
        gzipped = path.name.lower().endswith(".gz")
        same.sort(key=lambda pair: pair[0].lower().endswith(".gz") != gzipped)
        other = same[0][0] if same else None
    if match is None or other is None:
        raise BadInput(
            f"The file that belongs to {shown(path)} was not found.",
            "An IDX set is two files, named like train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte (or .gz).",
            "Put both into one folder under such names.",
        )
    partner = path.with_name(other)
    images, labels = (path, partner) if wanted == "label" else (partner, path)
    return _read(images, images, labels, [])


def read_idx(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Read one IDX file of unsigned bytes.

    Parameters
    ----------
    path : Path
        Plain or gzipped; told apart by content.

    Returns
    -------
    array : ndarray, uint8
        A read-only view of the bytes in the shape that the header declares.
    sha256 : bytes
        Hash of the file as it lies on disk.

    Raises
    ------
    BadInput
        Wrong magic, other element type, or a size that differs from the declared one. Declared
        sizes are compared with the bytes at hand before anything is allocated.
    """
    data, sha256 = read_hashed(path)
    if data[:2] != GZIP_MAGIC:
        shape, start = _header(data[:64], path)
        _check_size(path, shape, len(data) - start)
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape), sha256
    try:
        shape, start = _header(_unpacker().decompress(data, 20), path)
        declared = math.prod(shape)
        if declared > min(limit("array-bytes"), _DEFLATE_LIMIT * len(data)):
            _check_size(path, shape, _DEFLATE_LIMIT * len(data), "at most ")
        # One byte more than declared finds a longer file, and makes zlib check the CRC.
        content = _gunzip(data, start + declared + 1)
    except (EOFError, zlib.error) as error:
        raise BadInput(
            f"{shown(path)} is damaged: {_gzip_reason(error)}.",
            "It cannot be unpacked to its end.",
            "Fetch or copy it again and compare its checksum.",
        ) from None
    except MemoryError:
        raise BadInput(
            f"{shown(path)} does not fit into memory once unpacked.",
            "",
            "Use a machine with more memory.",
        ) from None
    present = len(content) - start
    _check_size(path, shape, present, "more than " if present > declared else "")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape), sha256


def _gunzip(data: bytes, limit: int) -> bytes:
    """Return the first ``limit`` unpacked bytes; fewer only when the stream ends.

    `gzip.GzipFile` does the same in small steps and takes far longer.
    """
    parts: list[bytes] = []
    while data and limit:
        stream = _unpacker()
        parts.append(stream.decompress(data, limit))
        limit -= len(parts[-1])
        if limit and not stream.eof:
            raise EOFError
        data = stream.unused_data.lstrip(b"\0")  # padding of tapes and blocks is allowed
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unpacker() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _gzip_reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed stream ends too early"
    if "data check" in str(error) or "length check" in str(error):
        return "its checksum (CRC) does not fit its content"
    return "the compressed stream is broken"


def _header(head: bytes, path: Path) -> tuple[tuple[int, ...], int]:
    dimensions = head[3] if len(head) >= 4 else 0
    if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= dimensions <= 4:
        raise BadInput(
            f"{shown(path)} is no IDX file: it starts with {head[:4].hex(' ') or 'nothing'}.",
            "An IDX file of bytes starts with 00 00 08 and the number of dimensions, 1 to 4.",
            "Check that it is the right file and was not cut off or encoded.",
        )
    if head[2] != 0x08:
        raise BadInput(
            f"{shown(path)} holds elements of type 0x{head[2]:02x}.",
            "Only unsigned bytes (0x08) are images and labels of this format.",
            "Convert it to unsigned bytes.",
        )
    start = 4 + 4 * dimensions
    if len(head) < start:
        raise BadInput(f"{shown(path)} ends within its header.", "", "Fetch or copy it again.")
    return struct.unpack(f">{dimensions}I", head[4:start]), start


def _check_size(path: Path, shape: tuple[int, ...], present: int, bound: str = "") -> None:
    declared = math.prod(shape)
    if declared == present:
        return
    raise BadInput(
        f"{shown(path)} declares {' x '.join(map(str, shape))} = {declared:,} bytes but holds "
        f"{bound}{present:,}.",
        "It was cut off." if declared > present else "Something was appended to it.",
        "Fetch or copy it again and compare its checksum.",
    )


def _pairs(names: list[str]) -> dict[str, tuple[str, str, list[str]]]:
    """Return prefix -> (images, labels, compressed twins), uncompressed files first."""
    by_role: dict[tuple[str, str], list[str]] = {}
    for name in sorted(names, key=lambda name: (name.lower().endswith(".gz"), name)):
        match = _NAME.fullmatch(name)
        if match and is_idx_name(name):
            by_role.setdefault((match["prefix"], match["role"][0].lower()), []).append(name)
    pairs = {}
    for prefix, role in by_role:
        if role == "i" and (prefix, "l") in by_role:
            images, labels = by_role[prefix, "i"], by_role[prefix, "l"]
            pairs[prefix] = (images[0], labels[0], images[1:] + labels[1:])
    return pairs


def _split_of(prefix: str) -> str:
    """Return the split that a prefix names: ``train-`` or MNIST's ``t10k-``, or nothing."""
    lower = prefix.lower()
    if "train" in lower:
        return "train"
    return "test" if "t10k" in lower else split_in(prefix)


def _read(root: Path, images_file: Path, labels_file: Path, notes: list[str]) -> IdxDataset:
    images, images_hash = read_idx(images_file)
    stored_labels, labels_hash = read_idx(labels_file)
    if images.ndim < 3 or stored_labels.ndim != 1:
        raise BadInput(
            f"{shown(images_file.name)} has {count_of(images.ndim, 'dimension')} and "
            f"{shown(labels_file.name)} has {stored_labels.ndim}.",
            "Images have 3 or 4 dimensions and labels have 1.",
            "Check that the two files were not swapped or renamed.",
        )
    pixels = image_layout(images, shown(images_file))
    labels, label_notes = checked_labels(stored_labels, len(images), shown(labels_file), None)
    hashes: Mapping[str, bytes] = {images_file.name: images_hash, labels_file.name: labels_hash}
    names = [str(index) for index in range(int(labels.max()) + 1)]
    dataset = IdxDataset(
        root,
        images,
        pixels,
        labels,
        names,
        notes + label_notes,
        hashes,
        [(images_file.name, len(images))],
    )
    dataset.images_file, dataset.labels_file = images_file, labels_file
    dataset.stored_labels = stored_labels
    return dataset
