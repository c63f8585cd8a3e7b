"""Recognising what kind of dataset lies at a path, by content and structure."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from inspector.errors import BadInput
from inspector.intake.datasets.arrow_folder import is_arrow_folder, read_arrow_folder
from inspector.intake.datasets.cifar_binary import (
    is_cifar_name,
    is_cifar_size,
    read_cifar_file,
    read_cifar_folder,
)
from inspector.intake.datasets.cifar_python import python_batches, read_cifar_python
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import opened, opened_folder, reason_of
from inspector.intake.datasets.given import shards_named
from inspector.intake.datasets.idx import (
    GZIP_MAGIC,
    is_idx_name,
    partners_of,
    read_idx_folder,
    read_idx_pair,
)
from inspector.intake.datasets.image_folder import read_image_folder
from inspector.intake.datasets.manifest import (
    choose_manifest,
    find_manifests,
    is_manifest_file,
    read_manifest,
)
from inspector.intake.datasets.names import listing, shown
from inspector.intake.datasets.npz import read_npz
from inspector.intake.datasets.parquet import read_parquet
from inspector.intake.datasets.splits import is_split_name
from inspector.intake.datasets.tar_members import looks_like_tar
from inspector.intake.datasets.webdataset import read_webdataset

_ZIP = b"PK\x03\x04"
_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_HEAD = 512
_KNOWN = (
    "an image folder, a manifest (CSV, TSV, JSON lines, Parquet), IDX (.gz), NPZ, CIFAR-10/100, "
    "Parquet or Arrow with images, or WebDataset shards"
)
_FOREIGN = (
    (b"\x93NUMPY", "a single numpy array without labels", "Save images and labels as NPZ."),
    (b"\x89PNG", "one image", "Open the folder that holds the class folders."),
    (b"\xff\xd8\xff", "one image", "Open the folder that holds the class folders."),
    (_ARROW_FILE, "an Arrow file outside of a saved dataset", "Open the folder of state.json."),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Open the folder with the state.json beside it."),
    (b"\x89HDF", "an HDF5 file", "Convert it to NPZ first."),
    (b"\x1f\x8b", "a compressed file", "Unpack it and open what comes out."),
    (b"7z\xbc\xaf", "an archive", "Unpack it and open the folder."),
    (b"\xfd7zXZ", "a compressed file", "Unpack it and open what comes out."),
    (b"BZh", "a compressed file", "Unpack it and open what comes out."),
)
_IDX_TYPES = (b"\x08", b"\x09", b"\x0b", b"\x0c", b"\x0d", b"\x0e")
_MOST_SHARDS = 100_000
_SHARD_DEPTH = 2


def open_dataset(
    path: str | os.PathLike[str], *, split: str | None = None, orientation: str = "ignore"
) -> Dataset:
    """Open a dataset of any known format.

    Parameters
    ----------
    path : path
        An image folder (class folders, or split folders with class folders), a manifest or its
        folder, a folder with an IDX pair or CIFAR batches, an IDX file, an NPZ archive, one CIFAR
        batch, Parquet files, a folder of ``save_to_disk``, WebDataset shards; of shards also a
        range (``train-{000..015}.tar``). A path that leads through links is followed, since the
        analyst named it; nothing below it is.
    split : str, optional
        Which split to read, by its name; the training split without it.
    orientation : {"ignore", "exif"}
        Whether images are turned as their EXIF data say.

    Returns
    -------
    Dataset
        Array formats and Arrow are read into memory and hashed; of image folders only the names
        are read, of Parquet and tar shards names and labels.

    Raises
    ------
    BadInput
        Nothing is there, it cannot be read, it is no dataset of a known format, or it has no such
        split.
    """
    given = os.fspath(path)
    if not given:
        raise BadInput("No path was given for the dataset.", "", f"Give {_KNOWN}.")
    ranged = shards_named(given)
    if ranged is not None:
        dataset = _open_shards(ranged[0], ranged[1], split)
        dataset.entry = ranged[2]
    else:
        root, status = _found(given)
        if stat.S_ISDIR(status.st_mode):
            dataset = _open_folder(root, split)
        elif stat.S_ISREG(status.st_mode):
            dataset = _open_file(root, status.st_size, split)
        else:
            raise BadInput(
                f"{shown(root)} is a pipe, socket or device, which is not opened.",
                "Evidence is a file or a folder.",
                f"Give {_KNOWN}.",
            )
    dataset.orientation = orientation
    return dataset


def _found(given: str) -> tuple[Path, os.stat_result]:
    try:
        root = Path(os.path.realpath(given, strict=True))
        return root, root.stat()
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


def _open_folder(root: Path, split: str | None) -> Dataset:
    names = _files_in(root)
    if any(is_idx_name(name) for name in names):
        return read_idx_folder(root, names, split)
    if any(is_cifar_name(name) for name in names):
        return read_cifar_folder(root, names, split)
    if is_arrow_folder(names):
        return read_arrow_folder(root, names, split)
    if manifests := find_manifests(root, [*names, *_files_in_splits(root)]):
        chosen, notes = choose_manifest(root, manifests, split)
        dataset = read_manifest(root, chosen, split)
        dataset.notes += notes
        return dataset
    try:
        return read_image_folder(root, split)
    except BadInput as nothing:
        if nothing.what.endswith("have no labels.") or "has no split" in nothing.what:
            raise
        found = _other_format(root, names, split)
        if found is None:
            raise nothing from None
        return found


def _other_format(root: Path, names: list[str], split: str | None) -> Dataset | None:
    """Open what lies in a folder without class folders: archives, batches, shards."""
    archives = [name for name in names if name.lower().endswith(".npz")]
    if len(archives) == 1:
        return read_npz(root / archives[0], root, split)
    if archives:
        raise BadInput(
            f"{shown(root)} holds several NPZ archives: {listing(archives)}.",
            "Only one set is scanned at a time.",
            "Give the archive itself.",
        ) from None
    if batches := python_batches(root, names):
        return read_cifar_python(root, batches, split)
    shards = _shards_below(root)
    if shards["parquet"]:
        return read_parquet(root, shards["parquet"], split)
    if shards["tar"]:
        return read_webdataset(root, shards["tar"], split)
    return None


def _open_file(path: Path, size: int, split: str | None) -> Dataset:
    head = _head_of(path, "")
    if not head:
        raise BadInput(f"{shown(path)} is empty.", "", "Fetch or copy it again.")
    if head.startswith(_ZIP):
        return read_npz(path, path, split)
    if path.suffix.lower() == ".bin" and is_cifar_size(size):
        return _undivided(read_cifar_file(path), split)
    magic = _unpacked_start(head) if head.startswith(GZIP_MAGIC) else head[:4]
    if (magic[:2] == b"\0\0" and magic[2:3] in _IDX_TYPES) or is_idx_name(path.name):
        return _undivided(read_idx_pair(path, partners_of(path)), split)
    if is_cifar_name(path.name):
        return _undivided(read_cifar_file(path), split)
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return read_cifar_python(path, [""], split)
    if is_manifest_file(path):
        return read_manifest(path.parent, path.name, split)
    if head.startswith(_PARQUET):
        return read_parquet(path, [""], split)
    if looks_like_tar(head):
        return read_webdataset(path, [""], split)
    for sign, kind, fix in _FOREIGN:
        if head.startswith(sign):
            raise BadInput(f"{shown(path)} is {kind}.", f"A dataset is {_KNOWN}.", fix)
    raise BadInput(
        f"{shown(path)} is no dataset of a known format: it starts with {head[:4].hex(' ')}.",
        f"Known are {_KNOWN}.",
        "Check that it is the right file, or convert it.",
    )


def _open_shards(root: Path, names: list[str], split: str | None) -> Dataset:
    kinds = {_kind_of_shard(_head_of(root, name)) for name in names}
    if kinds == {"parquet"}:
        return read_parquet(root, names, split)
    if kinds == {"tar"}:
        return read_webdataset(root, names, split)
    raise BadInput(
        f"{shown(root / names[0])} and the other shards are no Parquet and no tar files.",
        "A range names shards of one set.",
        "Check the range.",
    )


def _undivided(dataset: Dataset, split: str | None) -> Dataset:
    if split is not None:
        raise BadInput(
            f"{shown(dataset.root)} is one file of a set, and --split chooses among several.",
            "",
            "Open the folder, or leave out --split.",
        )
    return dataset


def _head_of(root: Path, name: str) -> bytes:
    try:
        with opened(root, name) as descriptor:
            return os.read(descriptor, _HEAD)
    except OSError as error:
        raise BadInput(
            f"{shown(root / name) if name else shown(root)} cannot be read: {reason_of(error)}.",
            "",
            "Check your permission to read it.",
        ) from None


def _kind_of_shard(head: bytes) -> str:
    if head.startswith(_PARQUET):
        return "parquet"
    return "tar" if looks_like_tar(head) else ""


def _shards_below(root: Path) -> dict[str, list[str]]:
    """Return Parquet and tar files in a folder and two levels below it, told by content."""
    found: dict[str, list[str]] = {"parquet": [], "tar": []}
    waiting = [("", 0)]
    looked = 0
    while waiting:
        folder, depth = waiting.pop()
        prefix = folder + "/" if folder else ""
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in children:
            if entry.is_dir(follow_symlinks=False) and depth < _SHARD_DEPTH:
                if not entry.name.startswith("."):
                    waiting.append((prefix + entry.name, depth + 1))
            elif entry.is_file(follow_symlinks=False) and looked < _MOST_SHARDS:
                looked += 1
                try:
                    with opened(root, prefix + entry.name) as descriptor:
                        kind = _kind_of_shard(os.read(descriptor, _HEAD))
                except OSError:
                    continue
                if kind:
                    found[kind].append(prefix + entry.name)
    return found


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


def _files_in_splits(root: Path) -> list[str]:
    """Return the files directly in the split folders of a folder, by path."""
    with opened_folder(root) as descriptor, os.scandir(descriptor) as entries:
        folders = sorted(
            entry.name
            for entry in entries
            if is_split_name(entry.name) and entry.is_dir(follow_symlinks=False)
        )
    found = []
    for folder in folders:
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as entries:
                inside = sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
        except OSError:
            continue
        found += [f"{folder}/{name}" for name in inside]
    return found


def _unpacked_start(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 4)
    except zlib.error:
        return b""
