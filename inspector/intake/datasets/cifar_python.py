"""CIFAR-10 and CIFAR-100, python version: pickled dictionaries, read without unpickling them.

Krizhevsky 2009. A batch is a dictionary with ``data`` (n, 3072) uint8, red, green and blue planes,
and ``labels`` (CIFAR-10) or ``fine_labels`` and ``coarse_labels`` (CIFAR-100). See `array_pickle`
for how it is read; batches of other square sizes in the same layout are read too.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.array_checks import checked_labels, image_layout
from inspector.intake.datasets.array_dataset import ArrayDataset, read_hashed
from inspector.intake.datasets.array_pickle import ArrayCell, read_array_pickle
from inspector.intake.datasets.cifar_binary import CIFAR10_NAMES
from inspector.intake.datasets.evidence_file import opened, read_file
from inspector.intake.datasets.names import escape_name, listing, shown
from inspector.intake.datasets.splits import choose_split, split_note

META = {"labels": ("batches.meta", "label_names"), "fine_labels": ("meta", "fine_label_names")}

_BATCH = re.compile(r"data_batch_(\d+)")
_MAX_META = 1 << 22


class CifarPython(ArrayDataset):
    """CIFAR batches in pickles. Build it with `read_cifar_python`.

    Attributes
    ----------
    batches : tuple of Path
        The batch files in row order; ``parts`` has their numbers of records.
    entries : tuple of dict
        Each batch as it was read, in its own order and with its own kinds of text.
    protocols : tuple of int
        The pickle protocol that each was written with.
    """

    format = "cifar-python"
    batches: tuple[Path, ...]
    entries: tuple[dict[Any, Any], ...]
    protocols: tuple[int, ...]


def is_python_batch_name(name: str) -> bool:
    """Tell whether a file is called like a batch of the python version."""
    return bool(_BATCH.fullmatch(name)) or name in ("test_batch", "train", "test")


def python_batches(root: Path, names: Sequence[str]) -> list[str]:
    """Return the pickled batches of a folder, told by name and first byte."""
    found = []
    for name in names:
        if is_python_batch_name(name):
            try:
                with opened(root, name) as descriptor:
                    if _starts_pickle(descriptor):
                        found.append(name)
            except OSError:
                continue
    return found


def read_cifar_python(root: Path, names: Sequence[str], wanted: str | None = None) -> CifarPython:
    """Read the batches of a folder, or one file.

    Parameters
    ----------
    root : Path
        The folder, or the file.
    names : sequence of str
        Names of the batches in the folder; ``[""]`` for a file.
    wanted : str, optional
        ``train`` or ``test``; the training batches without it.

    Raises
    ------
    BadInput
        A batch is damaged, names what no batch needs, or holds other things than images and labels.
    """
    split, notes, chosen = "", [], list(names)
    if names != [""]:
        by_split: dict[str, list[str]] = {}
        for name in names:
            by_split.setdefault("test" if name.startswith("test") else "train", []).append(name)
        split = choose_split(by_split, wanted, shown(root))
        chosen = sorted(by_split[split], key=_order)
        notes = split_note(split, by_split)
        numbers = {int(match[1]) for name in chosen if (match := _BATCH.fullmatch(name))}
        absent = [f"data_batch_{number}" for number in range(1, 6) if number not in numbers]
        if numbers and absent:
            notes.append(f"Of the usual five batches, {listing(absent, 5)} not there.")
    elif wanted is not None:
        choose_split([], wanted, shown(root))
    paths = [root / name if name else root for name in chosen]
    dataset = _read(root, paths, notes)
    dataset.split = split
    dataset.splits = tuple(sorted(by_split)) if names != [""] else ()
    return dataset


def _read(root: Path, paths: list[Path], notes: list[str]) -> CifarPython:
    entries, hashes, protocols, images, labels = [], {}, [], [], []
    key = ""
    for path in paths:
        data, hashes[path.name] = read_hashed(path)
        batch = read_array_pickle(data, shown(path))
        pixels, found, key = _parts(batch, shown(path))
        entries.append(batch)
        protocols.append(data[1] if data[:1] == b"\x80" else 0)
        images.append(pixels)
        labels.append(found)
    widths = {part.shape[1:] for part in images}
    if len(widths) > 1:
        raise BadInput(
            f"The batches in {shown(root)} hold images of different sizes.",
            "",
            "Open the batches one by one.",
        )
    stored = images[0] if len(images) == 1 else np.concatenate(images)
    side = math.isqrt(stored.shape[1] // 3)
    names = _class_names(paths[0].parent, key)
    where = listing([path.name for path in paths], 5)
    codes, label_notes = checked_labels(np.concatenate(labels), len(stored), where, names)
    if not names:
        top = int(codes.max()) + 1
        usual = key == "labels" and side == 32 and top <= 10
        names = list(CIFAR10_NAMES) if usual else [str(index) for index in range(top)]
    dataset = CifarPython(
        root,
        stored,
        image_layout(stored.reshape(-1, 3, side, side), where),
        codes,
        names,
        notes + label_notes,
        hashes,
        [(path.name, len(part)) for path, part in zip(paths, images)],
    )
    dataset.batches, dataset.entries = tuple(paths), tuple(entries)
    dataset.protocols = tuple(protocols)
    return dataset


def entry(batch: dict[Any, Any], name: str) -> Any:
    """Return an entry by name, whether its key is text or bytes; None without it."""
    for key, value in batch.items():
        if key in (name, name.encode()):
            return plain_array(value)
    return None


def plain_array(value: Any) -> Any:
    """Return the array in a cell, anything else as it is."""
    return value.value if isinstance(value, ArrayCell) else value


def _parts(batch: Any, where: str) -> tuple[NDArray[np.uint8], NDArray[Any], str]:
    if not isinstance(batch, dict):
        raise BadInput(
            f"{where} is a pickle, and no batch of images.",
            "A batch is a dictionary with data and labels. Nothing was run.",
            "Check that it is the right file.",
        )
    pixels = entry(batch, "data")
    key = next((name for name in ("labels", "fine_labels") if entry(batch, name) is not None), "")
    labels = entry(batch, key) if key else None
    square = (
        isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and pixels.ndim == 2
        and pixels.shape[1] > 0
        and pixels.shape[1] == 3 * math.isqrt(pixels.shape[1] // 3) ** 2
    )
    if not square or labels is None:
        held = [str(name)[:40] for name in list(batch)[:8]]
        raise BadInput(
            f"{where} is a pickle, and no batch of images: it holds {listing(held, 8)}.",
            "A batch has data, an array of (n, 3072) bytes, and labels. Nothing was run.",
            "Check that it is the right file.",
        )
    if isinstance(labels, list) and all(type(label) in (int, bool) for label in labels):
        labels = np.array(labels, np.int64) if all(abs(v) < 1 << 40 for v in labels) else None
    if not isinstance(labels, np.ndarray):
        raise BadInput(
            f"{where} has labels that are no numbers.",
            "Labels are a list of whole numbers. Nothing was run.",
            "Check that it is the right file.",
        )
    return pixels, labels.reshape(-1), key


def _class_names(folder: Path, key: str) -> list[str]:
    """Read the names beside the batches; none where the file is missing or odd."""
    file, name = META[key]
    try:
        found = entry(read_array_pickle(read_file(folder, file, _MAX_META), file), name)
    except (OSError, BadInput, AttributeError):
        return []
    if not isinstance(found, list) or not all(isinstance(text, (str, bytes)) for text in found):
        return []
    return [
        escape_name(text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text)
        for text in found
    ]


def _order(name: str) -> tuple[int, str]:
    match = _BATCH.fullmatch(name)
    return (int(match[1]) if match else 0, name)


def _starts_pickle(descriptor: int) -> bool:
    start = os.pread(descriptor, 2, 0)
    return start[:1] == b"\x80" and start[1:2] <= b"\x05"
