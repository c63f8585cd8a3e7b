"""What must be readable to open a dataset: what was given, and no more beside it than it needs."""

from __future__ import annotations

import os
from pathlib import Path

from inspector.intake.datasets.cifar_binary import is_cifar_name
from inspector.intake.datasets.cifar_python import META, is_python_batch_name
from inspector.intake.datasets.given import shards_named
from inspector.intake.datasets.idx import is_idx_name, partners_of
from inspector.intake.datasets.manifest import is_manifest_file

_CIFAR_NAMES = ("batches.meta.txt", "fine_label_names.txt", *(file for file, _ in META.values()))


def to_be_read(given: str | os.PathLike[str]) -> list[Path]:
    """Return the files and folders that the engine must be allowed to read.

    Parameters
    ----------
    given : path
        What the analyst gave as a dataset.

    Returns
    -------
    list of Path
        Each shard of a range; of a manifest the folder that it is about; beside one of an IDX pair
        the other IDX files, beside a CIFAR batch the class names; else the path alone.
    """
    ranged = shards_named(given)
    if ranged is not None:
        return [ranged[0] / name for name in ranged[1]]
    path = Path(given)
    if not path.is_file():
        return [path]
    if is_idx_name(path.name):
        beside = partners_of(path)
    elif is_cifar_name(path.name) or is_python_batch_name(path.name):
        beside = [name for name in _CIFAR_NAMES if (path.parent / name).is_file()]
    else:
        return [path, path.parent] if is_manifest_file(path) else [path]
    return [path, *(path.parent / name for name in beside if name != path.name)]
