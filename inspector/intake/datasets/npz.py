"""NPZ archives: arrays of images and labels by their usual names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput
from inspector.intake.datasets.array_checks import MAX_CLASSES, checked_labels, image_layout
from inspector.intake.datasets.array_dataset import ArrayDataset, read_hashed
from inspector.intake.datasets.names import count_of, escape_name, shown
from inspector.intake.datasets.npz_archive import Member, NpzArchive, keys_of
from inspector.intake.datasets.splits import choose_split, split_in

_SPLITS = ("train", "training", "", "val", "valid", "validation", "test", "testing")
_PAIRS = (("images", "labels"), ("x", "y"), ("data", "labels"), ("data", "targets"))
_CLASS_NAMES = ("class_names", "classes", "label_names")


class NpzDataset(ArrayDataset):
    """Two arrays of an NPZ archive. Build it with `read_npz`.

    Attributes
    ----------
    file : Path
        The archive.
    images_key, labels_key : str
        Names of the two arrays.
    labels_member : ndarray
        Labels as stored, in their own shape and type.
    """

    format = "npz"
    file: Path
    images_key: str
    labels_key: str
    labels_member: NDArray[Any]


def read_npz(path: Path, root: Path, wanted: str | None = None) -> NpzDataset:
    """Read the training images and labels of an NPZ archive.

    Parameters
    ----------
    path : Path
        The archive.
    root : Path
        What was opened: the archive itself or its folder.
    wanted : str, optional
        The split to read, by the arrays' names; the training split without it.

    Raises
    ------
    BadInput
        The archive is damaged, hostile, or holds no known pair of arrays.
    """
    data, sha256 = read_hashed(path)
    archive = NpzArchive(data, path)
    images_member, labels_member, others, splits = _choose(archive, wanted)
    stored, raw_labels = archive.read(images_member), archive.read(labels_member)
    where = f"{shown(path)}: {escape_name(images_member.key)}"
    pixels = image_layout(stored, where)
    notes = _notes(archive, images_member, labels_member, others)
    names = _class_names(archive)
    labels, names, label_notes = _labels(raw_labels, len(stored), labels_member.key, path, names)
    dataset = NpzDataset(
        root,
        stored,
        pixels,
        labels,
        names,
        notes + label_notes,
        {path.name: sha256},
        [(path.name, len(stored))],
    )
    dataset.file = path
    dataset.images_key, dataset.labels_key = images_member.key, labels_member.key
    dataset.labels_member = raw_labels
    dataset.split = split_in(images_member.key)
    dataset.splits = splits
    return dataset


def split_pairs(archive: NpzArchive) -> list[tuple[Member, Member]]:
    """Return the pairs of images and labels in an archive, the one to scan first.

    Known are ``images``/``labels``, ``x``/``y``, ``data``/``labels`` and ``data``/``targets``,
    alone or with ``train_`` (or another split) before or behind, in either case.
    """
    by_key = {member.key.casefold(): member for member in archive.members}
    pairs = []
    for split in _SPLITS:
        for images, labels in _PAIRS:
            for form in ("{1}_{0}", "{0}_{1}") if split else ("{0}",):
                first = by_key.get(form.format(images, split))
                second = by_key.get(form.format(labels, split))
                if first and second and (first, second) not in pairs:
                    pairs.append((first, second))
    return pairs


def _choose(
    archive: NpzArchive, wanted: str | None
) -> tuple[Member, Member, list[tuple[Member, Member]], tuple[str, ...]]:
    pairs = split_pairs(archive)
    if not pairs:
        raise BadInput(
            f"{shown(archive.path)} holds no known pair of images and labels.",
            f"Its arrays are {keys_of(archive.members)}; known names are train_images and "
            "train_labels, x_train and y_train, images and labels, x and y.",
            "Save the two arrays under such names.",
        )
    splits = [split_in(images.key) for images, _ in pairs]
    named = tuple(sorted({split for split in splits if split}))
    place = 0
    if wanted is not None:
        place = splits.index(choose_split(named, wanted, shown(archive.path)))
    rest = pairs[:place] + pairs[place + 1 :]
    return *pairs[place], rest, named


def _notes(
    archive: NpzArchive, images: Member, labels: Member, others: list[tuple[Member, Member]]
) -> list[str]:
    notes = []
    if others:
        rest = keys_of([member for pair in others for member in pair])
        notes.append(f"{escape_name(images.key)} is scanned; {rest} hold other splits.")
    paired = {images.key, labels.key} | {member.key for pair in others for member in pair}
    beside = [
        member
        for member in archive.members
        if member.key not in paired
        and member.shape[:1] == images.shape[:1]
        and member.key.casefold() not in _CLASS_NAMES
    ]
    if beside:
        notes.append(
            f"{keys_of(beside)} has one row for each image too; an export does not filter it, "
            "kept.csv says which rows stay."
        )
    pickled = [member for member in archive.members if member.pickled]
    if pickled:
        notes.append(
            f"{keys_of(pickled)} holds pickled Python objects; it was not read, nothing was run, "
            "and an export leaves it out."
        )
    if archive.extra:
        notes.append(f"{count_of(len(archive.extra), 'member')} not read: no arrays.")
    return notes


def _class_names(archive: NpzArchive) -> list[str] | None:
    for member in archive.members:
        text = member.dtype is not None and member.dtype.kind in "US"
        if member.key.casefold() in _CLASS_NAMES and text and len(member.shape) == 1:
            return _texts(archive.read(member), f"{shown(archive.path)}: {escape_name(member.key)}")
    return None


def _texts(array: NDArray[Any], where: str) -> list[str]:
    try:
        values = array.tolist()
    except (ValueError, UnicodeError):
        raise BadInput(f"{where} is no text.", "", "Store the names as Unicode.") from None
    return [
        escape_name(value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value)
        for value in values
    ]


def _labels(
    raw: NDArray[Any], images: int, key: str, path: Path, names: list[str] | None
) -> tuple[NDArray[np.int32], list[str], list[str]]:
    where = f"{shown(path)}: {escape_name(key)}"
    if raw.dtype.kind in "US":
        texts = _texts(raw.reshape(-1), where)
        found = names or sorted(set(texts))
        unknown = sorted(set(texts) - set(found))
        if unknown or len(found) > MAX_CLASSES:
            raise BadInput(
                f"{where} is out of range: it has {len(set(texts)):,} different labels"
                + (
                    f", one of them {unknown[0][:80]}, which has no class name." if unknown else "."
                ),
                f"At most {MAX_CLASSES:,} classes are read.",
                "Correct the labels in a copy, or add the missing class names.",
            )
        index = {name: number for number, name in enumerate(found)}
        raw = np.array([index[text] for text in texts], np.int64)
        names = found
    labels, notes = checked_labels(raw, images, where, names)
    return labels, names or [str(index) for index in range(int(labels.max()) + 1)], notes
