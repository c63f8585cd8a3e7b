"""Writer for folders with a manifest: the same files, and the manifest without removed records."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.dataset.copying import copy_file
from inspector.export.dataset.parquet import filtered_parquet
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.array_dataset import read_hashed
from inspector.intake.datasets.manifest import ManifestFolder, path_below
from inspector.intake.datasets.names import shown

_CHECK_EVERY = 32


def write_manifest_folder(
    dataset: ManifestFolder, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Copy the files of the kept rows and write the manifest with their records alone.

    A kept record has the bytes that it had; records of other splits stay, with their files. A file
    that a removed and a kept row both name stays, since the kept one needs it.

    Raises
    ------
    BadInput
        A file cannot be read, or is not what was hashed when the data was opened.
    OSError
        The copy cannot be written.
    """
    for path in dataset.folders:
        os.mkdir(folder / path)
    hashes = dataset.stored_sha256(control)
    wanted = {dataset.paths[row]: hashes[row].tobytes() for row in kept}
    known = {path: hashes[row].tobytes() for row, path in enumerate(dataset.paths)}
    for path in _other_splits(dataset):
        if path in known and known[path] != bytes(32):
            wanted[path] = known[path]
    for done, (path, sha256) in enumerate(wanted.items()):
        if done % _CHECK_EVERY == 0:
            control.check()
            control.progress("export", done, len(wanted), "copying images")
        if copy_file(dataset.root, path, folder) != sha256:
            raise _changed(dataset.root / path)
    control.progress("export", len(wanted), len(wanted), "copying images")
    _write_table(dataset, kept, folder)


def _write_table(dataset: ManifestFolder, kept: NDArray[np.intp], folder: Path) -> None:
    table = dataset.table
    stays = np.ones(len(table.images), np.bool_)
    stays[dataset.rows] = False
    stays[dataset.rows[kept]] = True
    target = folder / dataset.entry
    if table.kind != "parquet":
        records = (table.records[row] for row in np.flatnonzero(stays))
        write_chunks(target, [table.head, *records])
        return
    _, sha256 = read_hashed(dataset.root / dataset.entry)
    if sha256 != dataset.file_sha256()[dataset.entry]:
        raise _changed(dataset.root / dataset.entry)
    filtered_parquet(dataset.root, dataset.entry, stays, target)


def _other_splits(dataset: ManifestFolder) -> list[str]:
    above = dataset.entry.rpartition("/")[0]
    scanned = np.zeros(len(dataset.table.images), np.bool_)
    scanned[dataset.rows] = True
    return [path_below(dataset.table.images[row], above)[0] for row in np.flatnonzero(~scanned)]


def _changed(path: Path) -> BadInput:
    return BadInput(
        f"{shown(path)} changed while it was exported.",
        "What would be written is not what was looked at.",
        "Restore the data, or scan it again.",
    )
