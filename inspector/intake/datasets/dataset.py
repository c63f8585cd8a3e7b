"""What every reader offers: samples by row, their stored bytes, their pixels, their hashes."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import InspectorError


class UnreadableSample(InspectorError):
    """One sample that cannot be decoded; the scan goes on without it.

    Parameters
    ----------
    reason : str
        A few words, shown as ``unreadable: reason``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"unreadable: {reason}")
        self.reason = reason


class Dataset(ABC):
    """A labelled image dataset, read without running or following anything in it.

    Rows count from 0 in the order of the source and are never renumbered.

    Attributes
    ----------
    format : str
        ``image-folder``, ``manifest``, ``idx``, ``npz``, ``cifar-binary``, ``cifar-python``,
        ``parquet``, ``arrow`` or ``webdataset``.
    root : Path
        The real path of what was opened: a folder or a file.
    entry : str
        Path below the root that was opened in the root's place: a manifest; else empty.
    split : str
        The split that is scanned, as the evidence names it; empty where there are none.
    splits : tuple of str
        All splits that are there.
    orientation : str
        ``ignore`` or ``exif``: whether images are turned as their EXIF data say. Set it before
        anything is decoded; a network trained through torchvision saw them unturned.
    class_names : tuple of str
        Names in index order, printable (see `names.escape_name`).
    labels : ndarray, shape (n,), int32
        Index into the class names; read-only.
    image_shape : tuple of int or None
        (H, W, C) where all images share it and it is known without decoding.
    notes : list of str
        What a reader noticed and the analyst should know, one sentence each.
    """

    format: ClassVar[str]

    def __init__(
        self,
        root: Path,
        class_names: Sequence[str],
        labels: NDArray[np.int32],
        notes: Sequence[str] = (),
        image_shape: tuple[int, int, int] | None = None,
    ) -> None:
        self.root = root
        self.class_names = tuple(class_names)
        self.labels = np.ascontiguousarray(labels, dtype=np.int32)
        self.labels.flags.writeable = False
        self.notes = list(notes)
        self.image_shape = image_shape
        self.entry = ""
        self.split = ""
        self.splits: tuple[str, ...] = ()
        self.orientation = "ignore"
        self.turned: dict[int, int] = {}
        self._stored_sha256: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self.labels.shape[0])

    @abstractmethod
    def locator(self, i: int) -> str:
        """Return where a sample lies: a relative path, or ``file#row``; printable, reversible."""

    @abstractmethod
    def stored_bytes(self, i: int) -> bytes:
        """Return the bytes of a sample as stored: the encoded file, or the row of the array.

        Raises
        ------
        UnreadableSample
            They cannot be read.
        """

    @abstractmethod
    def decode(self, i: int) -> NDArray[np.uint8]:
        """Return the pixels of a sample, (H, W, C) uint8, C 1 for grey and 3 for colour.

        Raises
        ------
        UnreadableSample
            The sample is corrupt, too large, or no image.
        """

    @abstractmethod
    def decode_batch(
        self, rows: NDArray[np.integer] | Sequence[int]
    ) -> NDArray[np.uint8] | list[NDArray[np.uint8] | UnreadableSample]:
        """Return the pixels of some rows, in their order.

        Returns
        -------
        ndarray, shape (b, H, W, C), uint8
            From array formats, at once.
        list of (ndarray or UnreadableSample)
            Where shapes differ or samples are unreadable; one entry per row.
        """

    @abstractmethod
    def source_files(self) -> list[Path]:
        """Return the files that hold the samples and their labels."""

    @abstractmethod
    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 (32 bytes) of each of `source_files` by its path below the root.

        For a root that is a file, the key is the file's name. A file that cannot be read counts
        as 32 zero bytes.
        """

    @abstractmethod
    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        """Return the SHA-256 of the stored bytes of every sample, (n, 32) uint8."""

    def stored_sha256(self, control: Control | None = None) -> NDArray[np.uint8]:
        """Return the SHA-256 of the stored bytes of every sample.

        Parameters
        ----------
        control : Control, optional
            Reports progress and takes a cancel; a large folder is read once in full.

        Returns
        -------
        ndarray, shape (n, 32), uint8
            Computed once, read-only. A sample whose bytes cannot be read has zeros.
        """
        if self._stored_sha256 is None:
            hashes = self._hash_samples(control or Control())
            hashes.flags.writeable = False
            self._stored_sha256 = hashes
        return self._stored_sha256

    def digest(self, control: Control | None = None) -> str:
        """Return one SHA-256 (hex) for the whole dataset.

        It is the hash over the lines ``path NUL sha256 LF``, one for each of `source_files`,
        sorted by the bytes of the path.
        """
        hashes = self.file_sha256(control)
        total = hashlib.sha256()
        for path in sorted(os.fsencode(name) for name in hashes):
            total.update(path + b"\0" + hashes[os.fsdecode(path)].hex().encode() + b"\n")
        return total.hexdigest()

    def __repr__(self) -> str:
        """Return a short description without evidence text."""
        return f"<{type(self).__name__} n={len(self)} classes={len(self.class_names)}>"
