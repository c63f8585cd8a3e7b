"""Recognising what kind of dataset lies at a path, by content and structure, never by suffix."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from inspector.errors import BadInput
from inspector.intake.datasets.cifar_binary import (
    is_cifar_name,
    is_cifar_size,
    read_cifar_file,
    read_cifar_folder,
    refused_python_batch,
)
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import opened, opened_folder, reason_of
from inspector.intake.datasets.idx import GZIP_MAGIC, is_idx_name, read_idx_folder, read_idx_pair
from inspector.intake.datasets.image_folder import read_image_folder
from inspector.intake.datasets.names import listing, shown
from inspector.intake.datasets.npz import read_npz

_ZIP = b"PK\x03\x04"
_KNOWN = "an image folder, IDX (.gz), NPZ, or CIFAR-10/100 binary"
_FOREIGN = (
    (b"\x93NUMPY", "a single numpy array without labels", "Save images and labels as NPZ."),
    (b"\x89PNG", "one image", "Open the folder that holds the class folders."),
    (b"\xff\xd8\xff", "one image", "Open the folder that holds the class folders."),
    (b"PAR1", "a Parquet file", "Export it to an image folder or NPZ first."),
    (b"\x89HDF", "an HDF5 file", "Convert it to NPZ first."),
    (b"\x1f\x8b", "a compressed file", "Unpack it and open what comes out."),
    (b"7z\xbc\xaf", "an archive", "Unpack it and open the folder."),
    (b"\xfd7zXZ", "a compressed file", "Unpack it and open what comes out."),
    (b"BZh", "a compressed file", "Unpack it and open what comes out."),
)


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open a dataset of any known format.

    Parameters
    ----------
    path : path
        An image folder (class folders, or split folders with class folders), a folder with an IDX
        pair or CIFAR binary batches, an IDX file, an NPZ archive, or one CIFAR batch. A path
        that leads through links is followed, since the analyst named it; nothing below it is.

    Returns
    -------
    Dataset
        Array formats are read into memory and hashed; of image folders only the names are read.

    Raises
    ------
    BadInput
        Nothing is there, it cannot be read, or it is no dataset of a known format.
    """
    given = os.fspath(path)
    if not given:
        raise BadInput("No path was given for the dataset.", "", f"Give {_KNOWN}.")
    try:
        root = Path(os.path.realpath(given, strict=True))
        status = root.stat()
    except FileNotFoundError:
        raise BadInput(
            f"{shown(given)} does not exist.",
            "",
            "Check the spelling, and whether the disk is mounted.",
        ) from None
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is no valid path"
        raise BadInput(
            f"{shown(given)} cannot be opened: {reason}.", "", "Check the path and its permissions."
        ) from None
    if stat.S_ISDIR(status.st_mode):
        return _open_folder(root)
    if stat.S_ISREG(status.st_mode):
        return _open_file(root, status.st_size)
    raise BadInput(
        f"{shown(root)} is a pipe, socket or device, which is not opened.",
        "Evidence is a file or a folder.",
        f"Give {_KNOWN}.",
    )


def _open_folder(root: Path) -> Dataset:
    names = _files_in(root)
    if any(is_idx_name(name) for name in names):
        return read_idx_folder(root, names)
    if any(is_cifar_name(name) for name in names):
        return read_cifar_folder(root, names)
    archives = [name for name in names if name.lower().endswith(".npz")]
    try:
        return read_image_folder(root)
    except BadInput as nothing:
        if len(archives) == 1:
            return read_npz(root / archives[0], root)
        if archives:
            raise BadInput(
                f"{shown(root)} holds several NPZ archives: {listing(archives)}.",
                "Only one set is scanned at a time.",
                "Give the archive itself.",
            ) from None
        pickled = _python_batch(root, names)
        if pickled:
            raise refused_python_batch(pickled) from None
        raise nothing


def _open_file(path: Path, size: int) -> Dataset:
    try:
        with opened(path) as descriptor:
            head = os.read(descriptor, 512)
    except OSError as error:
        raise BadInput(
            f"{shown(path)} cannot be read: {reason_of(error)}.",
            "",
            "Check your permission to read it.",
        ) from None
    if not head:
        raise BadInput(f"{shown(path)} is empty.", "", "Fetch or copy it again.")
    if head.startswith(_ZIP):
        return read_npz(path, path)
    if path.suffix.lower() == ".bin" and is_cifar_size(size):
        return read_cifar_file(path)
    magic = _unpacked_start(head) if head.startswith(GZIP_MAGIC) else head[:4]
    if (magic[:2] == b"\0\0" and magic[2:3] in _IDX_TYPES) or is_idx_name(path.name):
        return read_idx_pair(path, _files_in(path.parent))
    if is_cifar_name(path.name):
        return read_cifar_file(path)
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise refused_python_batch(path)
    for sign, kind, fix in _FOREIGN:
        if head.startswith(sign):
            raise BadInput(f"{shown(path)} is {kind}.", f"A dataset is {_KNOWN}.", fix)
    raise BadInput(
        f"{shown(path)} is no dataset of a known format: it starts with {head[:4].hex(' ')}.",
        f"Known are {_KNOWN}.",
        "Check that it is the right file, or convert it.",
    )


_IDX_TYPES = (b"\x08", b"\x09", b"\x0b", b"\x0c", b"\x0d", b"\x0e")


def _files_in(folder: Path) -> list[str]:
    """Return the sorted names of the regular files of a folder."""
    try:
        with opened_folder(folder) as descriptor, os.scandir(descriptor) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError as error:
        raise BadInput(
            f"The folder {shown(folder)} cannot be listed: {reason_of(error)}.",
            "",
            "Give yourself permission to read it, or open a copy.",
        ) from None


def _unpacked_start(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 4)
    except zlib.error:
        return b""


def _python_batch(root: Path, names: list[str]) -> Path | None:
    """Return a pickled CIFAR batch among some files, told by name and first byte."""
    for name in names:
        if name.startswith(("data_batch_", "test_batch")) or name in ("train", "test", "meta"):
            try:
                with opened(root, name) as descriptor:
                    start = os.read(descriptor, 1)
            except OSError:
                continue
            if start == b"\x80":
                return root / name
    return None
