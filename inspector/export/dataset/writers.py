"""Which writer belongs to which format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.dataset.arrow_folder import write_arrow_folder
from inspector.export.dataset.cifar_binary import write_cifar_binary
from inspector.export.dataset.cifar_python import write_cifar_python
from inspector.export.dataset.idx import write_idx
from inspector.export.dataset.image_folder import write_image_folder
from inspector.export.dataset.manifest import write_manifest_folder
from inspector.export.dataset.npz import write_npz
from inspector.export.dataset.parquet import write_parquet
from inspector.export.dataset.webdataset import write_webdataset
from inspector.intake.datasets.dataset import Dataset

Writer = Callable[[Any, NDArray[np.intp], Path, Control], None]

WRITERS: dict[str, Writer] = {
    "image-folder": write_image_folder,
    "manifest": write_manifest_folder,
    "idx": write_idx,
    "npz": write_npz,
    "cifar-binary": write_cifar_binary,
    "cifar-python": write_cifar_python,
    "parquet": write_parquet,
    "arrow": write_arrow_folder,
    "webdataset": write_webdataset,
}


def writer_of(dataset: Dataset) -> Writer:
    """Return the function that writes some rows of a dataset in its own format.

    Raises
    ------
    BadInput
        There is none.
    """
    if dataset.format not in WRITERS:
        raise BadInput(
            f"A dataset of the format {dataset.format} cannot be exported.",
            "There is no writer for it.",
            "Export the list of kept samples instead.",
        )
    return WRITERS[dataset.format]
