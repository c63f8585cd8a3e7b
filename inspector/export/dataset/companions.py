"""Which files beside the samples an export takes along.

A folder tree is the dataset as a whole: all its other regular files are copied, also other splits.
A folder with an array set may hold anything (models, notes, other data), so only what belongs to
such a set goes along: its other splits, its class names, licences and read-me files. A second copy
of the scanned set (``.gz`` beside the unpacked file) stays behind, since it holds what was removed.
"""

from __future__ import annotations

import os
import re

from inspector.export.dataset.arrow_folder import described_files
from inspector.export.filled import OWN_FILES
from inspector.intake.datasets.arrow_folder import ArrowFolder
from inspector.intake.datasets.cifar_binary import CifarBinary, is_cifar_name
from inspector.intake.datasets.cifar_python import META, CifarPython, is_python_batch_name
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import opened_folder
from inspector.intake.datasets.idx import IdxDataset, is_idx_name, is_same_part
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.manifest import ManifestFolder
from inspector.intake.datasets.parquet import ParquetImages
from inspector.intake.datasets.splits import split_in
from inspector.intake.datasets.tree import walk
from inspector.intake.datasets.webdataset import WebDataset

_DESCRIPTIONS = (".json", ".yaml", ".yml", ".md", ".txt")
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
    if isinstance(dataset, (ImageFolder, ManifestFolder)):
        copied = [path for path in dataset.other_files if path not in OWN_FILES]
        own = [path for path in dataset.other_files if path in OWN_FILES]
        return copied, own + list(dataset.skipped)
    if not dataset.root.is_dir() or dataset.entry:
        return [], []
    if isinstance(dataset, (ParquetImages, ArrowFolder, WebDataset)):
        return _beside_shards(dataset)
    sources = {path.name for path in dataset.source_files()}
    with opened_folder(dataset.root) as descriptor, os.scandir(descriptor) as entries:
        found = sorted(
            (entry.name, entry.is_file(follow_symlinks=False))
            for entry in entries
            if entry.name not in sources
        )
    copied = [name for name, regular in found if regular and _belongs(dataset, name)]
    return copied, [name for name, _ in found if name not in copied]


def descriptions(dataset: Dataset, copied: list[str]) -> list[str]:
    """Return those companions that say how the samples are to be read: names, schemas, licences.

    They go along with a quarantine; other splits and other data stay with the cleaned set. A folder
    of images needs none, since the paths hold the classes.
    """
    if isinstance(dataset, (ImageFolder, ManifestFolder)):
        return []
    metas = {file for file, _ in META.values()} if isinstance(dataset, CifarPython) else set()
    return [
        path
        for path in copied
        if (name := path.rsplit("/", 1)[-1]) in metas
        or _TEXTS.fullmatch(name)
        or name.lower().endswith(_DESCRIPTIONS)
    ]


def _beside_shards(
    dataset: ParquetImages | ArrowFolder | WebDataset,
) -> tuple[list[str], list[str]]:
    """Sort what lies in a folder of shards: other splits and descriptions go along."""
    tree = walk(dataset.root)
    sources = {path.relative_to(dataset.root).as_posix() for path in dataset.source_files()}
    own = set(described_files(dataset)) if isinstance(dataset, ArrowFolder) else set()
    suffixes = {os.path.splitext(path)[1] for path in sources}
    copied: list[str] = []
    left: list[str] = []
    for path in tree.files:
        if path in sources or path in own:
            continue
        name = path.rsplit("/", 1)[-1]
        described = bool(_TEXTS.fullmatch(name)) or name.lower().endswith(_DESCRIPTIONS)
        other = os.path.splitext(name)[1] in suffixes and _other_split(dataset, path)
        goes = path not in OWN_FILES and not name.startswith(".") and (described or other)
        (copied if goes else left).append(path)
    return copied, left + tree.links + tree.specials


def _other_split(dataset: ParquetImages | ArrowFolder | WebDataset, path: str) -> bool:
    if isinstance(dataset, ArrowFolder):
        # Caches of computations hold rows that were removed.
        inside = path.split("/", 1)[0] in set(dataset.splits) - {dataset.split}
        return inside and not path.rsplit("/", 1)[-1].startswith("cache-")
    return split_in(path) != dataset.split


def _belongs(dataset: Dataset, name: str) -> bool:
    if name in OWN_FILES:
        return False
    if _TEXTS.fullmatch(name):
        return True
    if isinstance(dataset, CifarBinary):
        return is_cifar_name(name)
    if isinstance(dataset, CifarPython):
        return is_python_batch_name(name) or name in {file for file, _ in META.values()}
    if isinstance(dataset, IdxDataset):
        parts = (dataset.images_file.name, dataset.labels_file.name)
        return is_idx_name(name) and not any(is_same_part(name, part) for part in parts)
    return False
