"""CIFAR-10 and CIFAR-100, binary version: fixed records of labels and 3 x 32 x 32 bytes.

Krizhevsky 2009. A record is 1 label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then
the red, green and blue planes.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.array_checks import checked_labels, image_layout
from inspector.intake.datasets.array_dataset import ArrayDataset, read_hashed
from inspector.intake.datasets.evidence_file import read_file
from inspector.intake.datasets.names import escape_name, listing, shown
from inspector.intake.datasets.splits import choose_split

PIXELS = 3 * 32 * 32
_BATCH = re.compile(r"data_batch_(\d+)\.bin")
_FINE = {"train.bin", "test.bin"}
CIFAR10_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_MAX_NAMES_FILE = 1 << 16


class CifarBinary(ArrayDataset):
    """CIFAR batches. Build it with `read_cifar_folder` or `read_cifar_file`.

    Attributes
    ----------
    batches : tuple of Path
        The batch files in row order; ``parts`` has their numbers of records.
    records : tuple of ndarray, each shape (m, 1 + 3072) or (m, 2 + 3072), uint8
        The records of each batch as stored.
    """

    format = "cifar-binary"
    batches: tuple[Path, ...]
    records: tuple[NDArray[np.uint8], ...]


def is_cifar_name(name: str) -> bool:
    """Tell whether a file is a CIFAR binary batch by its name."""
    return bool(_BATCH.fullmatch(name)) or name == "test_batch.bin" or name in _FINE


def is_cifar_size(size: int) -> bool:
    """Tell whether a file of that many bytes can hold whole CIFAR records."""
    return size > 0 and (size % (PIXELS + 1) == 0 or size % (PIXELS + 2) == 0)


def read_cifar_folder(root: Path, names: list[str], wanted: str | None = None) -> CifarBinary:
    """Read the training batches of a folder (its test batch when there are no others).

    Parameters
    ----------
    root : Path
        The folder.
    names : list of str
        Names of the regular files in it; at least one `is_cifar_name`.
    wanted : str, optional
        ``train`` or ``test``; the training batches without it.

    Raises
    ------
    BadInput
        A batch is cut off, or a label is out of range.
    """
    by_split: dict[str, list[str]] = {}
    for name in sorted(name for name in names if is_cifar_name(name)):
        by_split.setdefault("test" if name.startswith("test") else "train", []).append(name)
    split = choose_split(by_split, wanted, shown(root))
    numbered = sorted(
        (int(match[1]), name) for name in by_split[split] if (match := _BATCH.fullmatch(name))
    )
    chosen = [name for _, name in numbered] or by_split[split][:1]
    notes = []
    rest = [name for name in sorted(names) if is_cifar_name(name) and name not in chosen]
    if rest:
        notes.append(f"{listing(chosen, 6)} is scanned; {listing(rest)} holds another split.")
    missing = sorted(set(range(1, 6)) - {number for number, _ in numbered}) if numbered else []
    if missing:
        absent = [f"data_batch_{number}.bin" for number in missing]
        notes.append(f"Of the usual five batches, {listing(absent, 5)} not there.")
    dataset = _read(root, [root / name for name in chosen], notes)
    dataset.split, dataset.splits = split, tuple(sorted(by_split))
    return dataset


def read_cifar_file(path: Path) -> CifarBinary:
    """Read one batch file.

    Raises
    ------
    BadInput
        It is cut off, or a label is out of range.
    """
    return _read(path, [path], [])


def _read(root: Path, batches: list[Path], notes: list[str]) -> CifarBinary:
    contents = [read_hashed(path) for path in batches]
    label_bytes = _label_bytes(batches, [data for data, _ in contents])
    empty = [path.name for path, (data, _) in zip(batches, contents) if not data]
    if empty:
        notes = [*notes, f"{listing(empty, 5)} is empty: it holds no samples."]
    width = label_bytes + PIXELS
    records = tuple(
        np.frombuffer(data, np.uint8).reshape(len(data) // width, width) for data, _ in contents
    )
    joined = records[0] if len(records) == 1 else np.concatenate(records)
    stored = joined[:, label_bytes:]
    names = _class_names(batches[0].parent, 100 if label_bytes == 2 else 10)
    where = listing([path.name for path in batches], 5)
    labels, label_notes = checked_labels(joined[:, label_bytes - 1], len(joined), where, names)
    dataset = CifarBinary(
        root,
        stored,
        image_layout(stored.reshape(-1, 3, 32, 32), where),
        labels,
        names,
        notes + label_notes,
        {path.name: sha256 for path, (_, sha256) in zip(batches, contents)},
        [(path.name, len(batch)) for path, batch in zip(batches, records)],
    )
    dataset.batches, dataset.records = tuple(batches), records
    return dataset


def _label_bytes(batches: list[Path], contents: list[bytes]) -> int:
    """Return 1 for CIFAR-10 and 2 for CIFAR-100, by name, else by size."""
    known = {path.name for path in batches} & _FINE
    order = (2, 1) if known else (1, 2)
    for count in order:
        if any(contents) and all(len(data) % (count + PIXELS) == 0 for data in contents):
            return count
    usual = order[0] + PIXELS
    path, data = next(
        (path, data)
        for path, data in zip(batches, contents)
        if len(data) % usual or not any(contents)
    )
    raise BadInput(
        f"{shown(path)} has {len(data):,} bytes, which are no whole records of {usual:,} bytes.",
        "It was cut off." if data else "It is empty.",
        "Fetch or copy it again and compare its checksum.",
    )


def _class_names(folder: Path, classes: int) -> list[str]:
    """Read the names file beside the batches; the published names of CIFAR-10 without one."""
    file = "batches.meta.txt" if classes == 10 else "fine_label_names.txt"
    try:
        text = read_file(folder, file, _MAX_NAMES_FILE).decode("utf-8", "surrogateescape")
    except OSError:
        text = ""
    names = [escape_name(line.strip()) for line in text.splitlines() if line.strip()]
    if len(names) == classes:
        return names
    return list(CIFAR10_NAMES) if classes == 10 else [str(index) for index in range(classes)]
