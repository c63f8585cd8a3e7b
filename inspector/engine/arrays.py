"""Arrays that travel as files: written whole under a temporary name, hashed, then renamed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.engine.session import Session
from inspector.errors import InspectorError


def describe(session: Session, name: str, path: Path) -> dict[str, Any]:
    """Return name, path relative to ``derived/``, dtype, shape and SHA-256 of a written array."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return {
        "name": name,
        "path": path.resolve().relative_to(session.derived.resolve()).as_posix(),
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "sha256": digest,
    }


def write_array(session: Session, name: str, path: Path, array: NDArray[Any]) -> dict[str, Any]:
    """Write one array atomically and describe it.

    Raises
    ------
    InspectorError
        The disk is full or refuses.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InspectorError(
            f"The array {name} could not be written to the case.",
            f"{error.strerror or error}.",
            "Free space, then run the same command again: finished parts are kept.",
        ) from None
    return describe(session, name, path)
