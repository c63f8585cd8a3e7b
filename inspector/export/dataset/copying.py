"""Copying files of the evidence, byte by byte."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from inspector.errors import BadInput
from inspector.export.new_file import NEW
from inspector.intake.datasets.evidence_file import CHUNK, opened, reason_of
from inspector.intake.datasets.names import shown


def copy_file(source: Path, relative: str, folder: Path) -> bytes:
    """Copy a file of the evidence to the same place below another folder.

    Parameters
    ----------
    source : Path
        Root of the evidence.
    relative : str
        Path below it with ``/``; also the path below ``folder``, whose parent must exist.
    folder : Path
        Root of the copy.

    Returns
    -------
    bytes
        SHA-256 of what was copied, 32 bytes.

    Raises
    ------
    BadInput
        The source cannot be read.
    OSError
        The copy cannot be written.
    """
    digest = hashlib.sha256()
    try:
        with opened(source, relative) as reader:
            writer = _create(folder / relative)
            try:
                while chunk := os.read(reader, CHUNK):
                    digest.update(chunk)
                    _write_all(writer, chunk)
            finally:
                os.close(writer)
    except _WriteFailed as failure:
        raise failure.cause from None
    except OSError as error:
        raise BadInput(
            f"{shown(source / relative)} cannot be read: {reason_of(error)}.",
            "The export would lack it, so nothing was written.",
            "Give yourself permission to read it, or leave the sample out.",
        ) from None
    return digest.digest()


class _WriteFailed(Exception):
    """Carries an error of the copy past the handler for errors of the source."""

    def __init__(self, cause: OSError) -> None:
        super().__init__()
        self.cause = cause


def _create(path: Path) -> int:
    try:
        return os.open(path, NEW, 0o666)
    except OSError as error:
        raise _WriteFailed(error) from None


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError as error:
        raise _WriteFailed(error) from None
