"""Parquet files with images in them, as Hugging Face stores datasets: one file or many shards.

The bytes of ``image{bytes, path}`` are the sample; the path is ignored. Class names come from the
``huggingface`` key of the schema's metadata.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets.arrow_columns import Columns, choose_columns
from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.encoded_images import EncodedImages
from inspector.intake.datasets.evidence_file import sha256_of
from inspector.intake.datasets.label_values import labels_of
from inspector.intake.datasets.names import escape_name, listing, shown
from inspector.intake.datasets.parquet_cells import ParquetCells
from inspector.intake.datasets.parquet_file import damaged, opened_parquet
from inspector.intake.datasets.splits import choose_split, split_in, split_note
from inspector.intake.limits import advice, limit, told

FREE_EXPANSION = 1 << 30
"""Bytes that the images may unpack to whatever the ratio; encoded images hardly shrink at all."""

_CHECK_EVERY = 256


@dataclass(frozen=True)
class Shard:
    """One Parquet file: its name below the root ("" for the root) and the rows of its groups."""

    name: str
    groups: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows of the whole file."""
        return sum(self.groups)


class ParquetImages(EncodedImages):
    """Images in Parquet files. Build it with `read_parquet`.

    Attributes
    ----------
    shards : tuple of Shard
        The files of the scanned split, in row order.
    columns : Columns
        What is read of them.
    """

    format = "parquet"

    def __init__(
        self,
        root: Path,
        shards: Sequence[Shard],
        columns: Columns,
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
    ) -> None:
        super().__init__(root, class_names, labels, notes)
        self.shards = tuple(shards)
        self.columns = columns
        groups = [
            (shard.name, number, rows)
            for shard in shards
            for number, rows in enumerate(shard.groups)
        ]
        self._cells = ParquetCells(root, groups, columns.leaf)
        self._file_hashes: dict[str, bytes] = {}
        self._starts = np.cumsum([0] + [shard.rows for shard in shards]).tolist()

    def locator(self, i: int) -> str:
        """Return ``file#row``, the row counted from 0 within the file."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        part = bisect.bisect_right(self._starts, i) - 1
        name = self.shards[part].name or self.root.name
        return f"{escape_name(name)}#{i - self._starts[part]}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the bytes in the image column."""
        try:
            data = self._cells[i]
        except BadInput as error:
            raise UnreadableSample(error.what.rstrip(".")[:200]) from None
        if data is None:
            raise UnreadableSample("the row holds no bytes (a path, if any, is not followed)")
        if len(data) > limit("image-bytes"):
            raise UnreadableSample(f"larger than the limit of {told('image-bytes')}")
        return data

    def source_files(self) -> list[Path]:
        """Return the shards of the scanned split."""
        return [self.root / shard.name if shard.name else self.root for shard in self.shards]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of each shard."""
        for number, shard in enumerate(self.shards):
            if (shard.name or self.root.name) in self._file_hashes:
                continue
            if control is not None:
                control.check()
                control.progress("hash files", number, len(self.shards), "hashing files")
            try:
                found = sha256_of(self.root, shard.name)
            except OSError:
                found = bytes(32)
            self._file_hashes[shard.name or self.root.name] = found
        return dict(self._file_hashes)

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        hashes = np.zeros((len(self), 32), np.uint8)
        stored = sum(path.stat().st_size for path in self.source_files())
        total = 0
        for row in range(len(self)):
            if row % _CHECK_EVERY == 0:
                control.check()
                control.progress("hash", row, len(self), "hashing images")
            try:
                data = self._cells[row]
            except BadInput:
                continue  # told again, with its reason, when it is decoded
            if data is None:
                continue
            total += len(data)
            if total > FREE_EXPANSION and total > limit("table-ratio") * stored:
                raise BadInput(
                    f"{shown(self.root)} was not opened. It expands to more than "
                    f"{total / (1 << 30):,.1f} GiB from {stored / (1 << 20):,.1f} MiB.",
                    f"The limit is {told('table-ratio')}; encoded images hardly shrink.",
                    advice("table-ratio"),
                )
            hashes[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        control.progress("hash", len(self), len(self), "hashing images")
        return hashes


def read_parquet(root: Path, names: Sequence[str], wanted: str | None = None) -> ParquetImages:
    """Read the labels of Parquet files with images in them.

    Parameters
    ----------
    root : Path
        One file, or the folder of the shards.
    names : sequence of str
        The Parquet files below the folder; ``[""]`` for a file.
    wanted : str, optional
        The split to scan, told by the shards' names; the training split without it.

    Raises
    ------
    BadInput
        pyarrow is missing, a file is damaged, shards differ, or no columns fit.
    """
    by_split: dict[str, list[str]] = {}
    for name in sorted(names):
        by_split.setdefault(split_in(name or root.name), []).append(name)
    split = choose_split(by_split, wanted, shown(root))
    notes = split_note(split, by_split)
    shards: list[Shard] = []
    values: list[Any] = []
    columns: Columns | None = None
    for name in by_split[split]:
        where = shown(root / name) if name else shown(root)
        with opened_parquet(root, name) as file:
            found = choose_columns(file.schema_arrow, where)
            if columns is not None and found != columns:
                raise BadInput(
                    f"{where} has other columns than {escape_name(shards[0].name)}.",
                    "The shards of one set share their schema.",
                    "Open the sets one by one.",
                )
            columns = found
            metadata = file.metadata
            rows = tuple(
                metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)
            )
            shards.append(Shard(name, rows))
            if sum(shard.rows for shard in shards) > limit("table-rows"):
                raise BadInput(
                    f"{where} has more than {told('table-rows')}.", "", advice("table-rows")
                )
            values += _labels(file, columns.label, where, sum(rows))
    assert columns is not None  # by_split has no empty lists
    if not values:
        raise BadInput(f"{shown(root)} holds no rows.", "", "Check that it is the right set.")
    labels, class_names, label_notes = labels_of(
        values, f"{shown(root)}: {escape_name(columns.label)}", columns.names or None
    )
    if columns.beside:
        notes.append(
            f"{escape_name(columns.label)} is taken as label; {listing(list(columns.beside))} not."
        )
    dataset = ParquetImages(root, shards, columns, labels, class_names, notes + label_notes)
    dataset.split, dataset.splits = split, tuple(sorted(name for name in by_split if name))
    return dataset


def _labels(file: Any, column: str, where: str, rows: int) -> list[Any]:
    values: list[Any] = []
    try:
        for batch in file.iter_batches(batch_size=1 << 14, columns=[column], use_threads=False):
            part = batch.column(0)
            if part.nbytes > 64 << 20:
                raise ValueError("its labels are far too long")
            values += part.to_pylist()
    except Exception as error:
        raise damaged(where, error) from None
    if len(values) != rows:
        raise damaged(where, ValueError(f"it declares {rows:,} rows and holds {len(values):,}"))
    return values
