"""Writer for IDX pairs: same names, same dimensions but the first; gzipped where the source is."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.export.new_file import new_file
from inspector.intake.datasets.idx import IdxDataset

_CHUNK = 2 << 20
"""Bytes between two looks at the control: gzip takes about 0.05 s for them."""


def write_idx(dataset: IdxDataset, kept: NDArray[np.intp], folder: Path, control: Control) -> None:
    """Write the kept rows of both files.

    Raises
    ------
    OSError
        They cannot be written.
    """
    # Labels first: they are small, and progress then counts images and never falls.
    _write(folder / dataset.labels_file.name, dataset.stored_labels, kept, Control())
    _write(folder / dataset.images_file.name, dataset.stored, kept, control)


def _write(path: Path, array: NDArray[np.uint8], kept: NDArray[np.intp], control: Control) -> None:
    with new_file(path) as file:
        if path.name.lower().endswith(".gz"):
            # No name and no time in the header: the same samples give the same bytes.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                for chunk in _chunks(array, kept, control):
                    packed.write(chunk)
        else:
            for chunk in _chunks(array, kept, control):
                file.write(chunk)


def _chunks(array: NDArray[np.uint8], kept: NDArray[np.intp], control: Control) -> Iterator[bytes]:
    shape = (len(kept), *array.shape[1:])
    yield struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    rows = max(1, _CHUNK // array[0].nbytes)
    for start in range(0, len(kept), rows):
        control.check()
        control.progress("export", start, len(kept), "writing arrays")
        yield array[kept[start : start + rows]].tobytes()
    control.progress("export", len(kept), len(kept), "writing arrays")
