"""Which files beside the samples an export takes along.

A folder tree is the dataset as a whole: all its other regular files are copied, also other splits.
A folder with an array set may hold anything (models, notes, other data), so only what belongs to
such a set goes along: its other splits, its class names, licences and read-me files. A second copy
of the scanned set (``.gz`` beside the unpacked file) stays behind, since it holds what was removed.
"""

from __future__ import annotations

import os
import re

from inspector.intake.datasets.cifar_binary import CifarBinary, is_cifar_name
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import opened_folder
from inspector.intake.datasets.idx import IdxDataset, is_idx_name, is_same_part
from inspector.intake.datasets.image_folder import ImageFolder

OWN_FILES = ("removed.csv", "kept.csv", "provenance.json", "manifest.sha256")
"""What an export writes beside the data; the source's files of these names are not copied."""

_TEXTS = re.compile(
    r"(licen[cs]e|copying|notice|readme|citation|authors).*|batches\.meta\.txt"
    r"|(fine|coarse)_label_names\.txt|.*-mapping\.txt",
    re.IGNORECASE,
)


def companions(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Return the files to copy along and what is left behind, paths below the root.

    Parameters
    ----------
    dataset : Dataset
        A dataset whose root is a file has no companions: its folder is not part of it.
    """
    if isinstance(dataset, ImageFolder):
        copied = [path for path in dataset.other_files if path not in OWN_FILES]
        own = [path for path in dataset.other_files if path in OWN_FILES]
        return copied, own + list(dataset.skipped)
    if not dataset.root.is_dir():
        return [], []
    sources = {path.name for path in dataset.source_files()}
    with opened_folder(dataset.root) as descriptor, os.scandir(descriptor) as entries:
        found = sorted(
            (entry.name, entry.is_file(follow_symlinks=False))
            for entry in entries
            if entry.name not in sources
        )
    copied = [name for name, regular in found if regular and _belongs(dataset, name)]
    return copied, [name for name, _ in found if name not in copied]


def _belongs(dataset: Dataset, name: str) -> bool:
    if name in OWN_FILES:
        return False
    if _TEXTS.fullmatch(name):
        return True
    if isinstance(dataset, CifarBinary):
        return is_cifar_name(name)
    if isinstance(dataset, IdxDataset):
        parts = (dataset.images_file.name, dataset.labels_file.name)
        return is_idx_name(name) and not any(is_same_part(name, part) for part in parts)
    return False
