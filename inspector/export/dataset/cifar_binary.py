"""Writer for CIFAR binary: the same batch files with records taken out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.cifar_binary import CifarBinary


def write_cifar_binary(
    dataset: CifarBinary, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Write each batch without the records that are not kept; one may become empty.

    Raises
    ------
    OSError
        They cannot be written.
    """
    start = 0
    for number, (path, records) in enumerate(zip(dataset.batches, dataset.records)):
        control.check()
        control.progress("export", number, len(dataset.batches), "writing batches")
        inside = kept[(kept >= start) & (kept < start + len(records))] - start
        write_chunks(folder / path.name, [records[inside].tobytes()])
        start += len(records)
    control.progress("export", len(dataset.batches), len(dataset.batches), "writing batches")
