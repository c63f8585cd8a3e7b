"""Writer for NPZ: scanned arrays filtered, all other members copied, order and packing kept."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput, CaseError
from inspector.export.new_file import new_file
from inspector.intake.datasets.array_dataset import read_hashed
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.npz import NpzDataset
from inspector.intake.datasets.npz_archive import NpzArchive

_CHUNK = 2 << 20


def write_npz(dataset: NpzDataset, kept: NDArray[np.intp], folder: Path, control: Control) -> None:
    """Write the archive with the kept rows of the scanned images and labels.

    Members of pickled Python objects are left out: nothing that can run goes into a cleaned set.

    Raises
    ------
    BadInput
        The source changed since it was opened.
    OSError
        The archive cannot be written.
    """
    source = _reopened(dataset)
    filtered = {dataset.images_key: dataset.stored, dataset.labels_key: dataset.labels_member}
    pickled = {member.info.filename for member in source.members if member.pickled}
    with (
        new_file(folder / dataset.file.name) as file,
        zipfile.ZipFile(file, "w", allowZip64=True) as archive,
    ):
        total = sum(info.file_size for info in source.infos)
        done = 0
        for info in source.infos:
            control.progress("export", done, total, "writing arrays")
            done += info.file_size
            if info.filename in pickled:
                continue
            copy = zipfile.ZipInfo(info.filename, info.date_time)
            copy.compress_type = info.compress_type
            copy.external_attr = info.external_attr
            array = filtered.get(info.filename.removesuffix(".npy"))
            with archive.open(copy, "w", force_zip64=info.file_size > 1 << 30) as stream:
                if array is None:
                    _copy(source, info, stream, control)
                else:
                    _write_rows(array, kept, stream, control)


def check_npz(dataset: NpzDataset, written: Path) -> None:
    """Compare all members that were not filtered by size and CRC, and the order of all.

    Raises
    ------
    CaseError
        They differ.
    """
    source = _reopened(dataset)
    data, _ = read_hashed(written)
    copy = NpzArchive(data, written)
    pickled = {member.info.filename for member in source.members if member.pickled}
    filtered = {f"{dataset.images_key}.npy", f"{dataset.labels_key}.npy"}

    def summary(infos: list[zipfile.ZipInfo]) -> list[tuple[str, int, int]]:
        return [
            (name, 0, 0) if name in filtered else (name, info.file_size, info.CRC)
            for info in infos
            if (name := info.filename) not in pickled
        ]

    if summary(source.infos) != summary(copy.infos):
        raise CaseError(
            "The export was not kept: its other arrays differ from those of the source.",
            "Something went wrong while writing or reading back.",
            "Try again, on another disk if it happens twice.",
        )


def _reopened(dataset: NpzDataset) -> NpzArchive:
    data, sha256 = read_hashed(dataset.file)
    if sha256 != dataset.file_sha256()[dataset.file.name]:
        raise BadInput(
            f"{shown(dataset.file)} changed since it was opened.",
            "What would be written is not what was looked at.",
            "Restore the data, or scan it again.",
        )
    return NpzArchive(data, dataset.file)


def _copy(source: NpzArchive, info: zipfile.ZipInfo, stream: IO[bytes], control: Control) -> None:
    with source.open(info) as reader:
        while chunk := reader.read(_CHUNK):
            control.check()
            stream.write(chunk)


def _write_rows(
    array: NDArray[Any], kept: NDArray[np.intp], stream: IO[bytes], control: Control
) -> None:
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    np.lib.format.write_array_header_1_0(
        stream,
        {
            "descr": np.lib.format.dtype_to_descr(array.dtype),
            "fortran_order": fortran,
            "shape": (len(kept), *array.shape[1:]),
        },
    )
    for chunk in _in_fortran_order(array, kept) if fortran else _in_c_order(array, kept):
        control.check()
        stream.write(chunk)


def _in_c_order(array: NDArray[Any], kept: NDArray[np.intp]) -> Iterator[bytes]:
    rows = max(1, _CHUNK // max(1, array[0].nbytes))
    for start in range(0, len(kept), rows):
        yield array[kept[start : start + rows]].tobytes()


def _in_fortran_order(array: NDArray[Any], kept: NDArray[np.intp]) -> Iterator[bytes]:
    flat = np.ascontiguousarray(array[kept].T).reshape(-1)
    step = max(1, _CHUNK // array.itemsize)
    for start in range(0, flat.size, step):
        yield flat[start : start + step].tobytes()
