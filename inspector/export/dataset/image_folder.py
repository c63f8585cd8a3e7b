"""Writer for image folders: the same files under the same names, by byte copy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.export.dataset.copying import copy_file
from inspector.intake.datasets.image_folder import ImageFolder
from inspector.intake.datasets.names import shown

_CHECK_EVERY = 32


def write_image_folder(
    dataset: ImageFolder, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Copy the kept images, with all folders of the source, empty ones too.

    Raises
    ------
    BadInput
        An image cannot be read, or is not what was hashed when the data was opened.
    OSError
        The copy cannot be written.
    """
    for path in dataset.folders:
        os.mkdir(folder / path)
    hashes = dataset.stored_sha256(control)
    for done, row in enumerate(kept):
        if done % _CHECK_EVERY == 0:
            control.check()
            control.progress("export", done, len(kept), "copying images")
        path = dataset.paths[row]
        if copy_file(dataset.root, path, folder) != hashes[row].tobytes():
            raise BadInput(
                f"{shown(dataset.root / path)} changed while it was exported.",
                "What would be written is not what was looked at.",
                "Restore the data, or scan it again.",
            )
    control.progress("export", len(kept), len(kept), "copying images")
