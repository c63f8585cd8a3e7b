"""Write an array of the app's own into a case: whole under its final name, or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.inside import new_file
from inspector.case.schema import flush
from inspector.errors import CaseError


def write_array(path: Path, array: NDArray[Any], derived: Path) -> dict[str, Any]:
    """Write a ``.npy`` file and return what `Case.set_array` asks for.

    Parameters
    ----------
    path : Path
        Below ``derived``; its name should say what is in it.
    array : ndarray
    derived : Path
        The folder of derived files.

    Returns
    -------
    dict
        ``path`` relative to ``derived``, ``dtype``, ``shape`` and ``sha256``.

    Raises
    ------
    CaseError
        The disk is full or refuses; nothing lies under the final name.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with new_file(partial) as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        os.replace(partial, path)
        flush(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CaseError(
            f"The array {path.name} was not written.",
            f"{error.strerror or error}.",
            "Free some space or check the rights, then do it again; nothing was lost.",
        ) from error
    return {
        "path": path.relative_to(derived).as_posix(),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "sha256": digest,
    }
