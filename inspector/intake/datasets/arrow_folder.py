"""Folders that Hugging Face's ``save_to_disk`` wrote: Arrow streams, ``state.json``; no pickle.

The streams are read into memory once, hashed and validated in full: a file that changes afterwards
cannot change what is scanned.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput
from inspector.intake.datasets.array_dataset import read_hashed
from inspector.intake.datasets.arrow_columns import (
    Columns,
    arrow,
    choose_columns,
    one_line,
    refuse_extensions,
)
from inspector.intake.datasets.dataset import UnreadableSample
from inspector.intake.datasets.encoded_images import EncodedImages
from inspector.intake.datasets.evidence_file import read_file, reason_of
from inspector.intake.datasets.label_values import labels_of
from inspector.intake.datasets.names import escape_name, listing, shown
from inspector.intake.datasets.parquet_file import damaged
from inspector.intake.datasets.splits import choose_split, split_note
from inspector.intake.limits import limit, told

STATE = "state.json"
SPLITS = "dataset_dict.json"

_MAX_JSON = 32 << 20
_CHECK_EVERY = 1024


class ArrowFolder(EncodedImages):
    """A saved Hugging Face dataset. Build it with `read_arrow_folder`.

    Attributes
    ----------
    files : tuple of str
        The Arrow files below the root, in row order.
    tables : tuple of pyarrow.Table
        Their content, all columns.
    columns : Columns
        What is read of them.
    state_file : str
        Path of ``state.json`` below the root.
    """

    format = "arrow"

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        tables: Sequence[Any],
        columns: Columns,
        labels: NDArray[np.int32],
        class_names: Sequence[str],
        notes: Sequence[str],
        hashes: dict[str, bytes],
        state_file: str,
    ) -> None:
        super().__init__(root, class_names, labels, notes)
        self.files = tuple(files)
        self.tables = tuple(tables)
        self.columns = columns
        self.state_file = state_file
        self._hashes = hashes
        self._starts = np.cumsum([0] + [table.num_rows for table in tables]).tolist()
        self._chunks: list[Any] = []
        self._chunk_starts = [0]
        types = arrow().types
        for table in tables:
            for chunk in table.column(columns.image).chunks:
                if types.is_struct(chunk.type):
                    chunk = chunk.flatten()[chunk.type.get_field_index("bytes")]
                self._chunks.append(chunk)
                self._chunk_starts.append(self._chunk_starts[-1] + len(chunk))

    def locator(self, i: int) -> str:
        """Return ``file#row``, the row counted from 0 within the file."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        part = bisect.bisect_right(self._starts, i) - 1
        return f"{escape_name(self.files[part])}#{i - self._starts[part]}"

    def stored_bytes(self, i: int) -> bytes:
        """Return the bytes in the image column."""
        part = bisect.bisect_right(self._chunk_starts, i) - 1
        data = self._chunks[part][i - self._chunk_starts[part]].as_py()
        if data is None:
            raise UnreadableSample("the row holds no bytes (a path, if any, is not followed)")
        if len(data) > limit("image-bytes"):
            raise UnreadableSample(f"larger than the limit of {told('image-bytes')}")
        return bytes(data)

    def source_files(self) -> list[Path]:
        """Return the Arrow files and ``state.json``, which names them."""
        return [self.root / name for name in self._hashes]

    def file_sha256(self, control: Control | None = None) -> dict[str, bytes]:
        """Return the SHA-256 of each file as it was read."""
        return dict(self._hashes)

    def _hash_samples(self, control: Control) -> NDArray[np.uint8]:
        hashes = np.zeros((len(self), 32), np.uint8)
        for row in range(len(self)):
            if row % _CHECK_EVERY == 0:
                control.check()
                control.progress("hash", row, len(self), "hashing images")
            try:
                data = self.stored_bytes(row)
            except UnreadableSample:
                continue
            hashes[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        control.progress("hash", len(self), len(self), "hashing images")
        return hashes


def is_arrow_folder(names: Sequence[str]) -> bool:
    """Tell whether a folder was written by ``save_to_disk``, by the names in it."""
    return STATE in names or SPLITS in names


def read_arrow_folder(root: Path, names: Sequence[str], wanted: str | None = None) -> ArrowFolder:
    """Read a folder that ``save_to_disk`` wrote.

    Parameters
    ----------
    root : Path
        The folder.
    names : sequence of str
        Files in it.
    wanted : str, optional
        The split to scan; the training split without it.

    Raises
    ------
    BadInput
        pyarrow is missing, a file is missing or damaged, or no columns fit.
    """
    split, notes = "", list[str]()
    splits: tuple[str, ...] = ()
    if SPLITS in names:
        said = _json(root, SPLITS).get("splits")
        splits = tuple(str(name) for name in said) if isinstance(said, list) else ()
        split = choose_split(splits, wanted, shown(root))
        notes = split_note(split, splits)
    elif wanted is not None:
        choose_split([], wanted, shown(root))
    if "/" in split or split in (".", "..") or (SPLITS in names and not split):
        raise BadInput(
            f"{shown(root / SPLITS)} names no split that can be read.",
            "A split is a folder beside it.",
            "Fetch or copy the set again.",
        )
    inside = split + "/" if split else ""
    state = _json(root, inside + STATE)
    files = _data_files(root, state, inside)
    hashes = {inside + STATE: hashlib.sha256(_bytes(root, inside + STATE)).digest()}
    tables, columns = [], None
    room = limit("array-bytes")
    for name in files:
        data, hashes[name] = read_hashed(root / name, room)
        table = _table(data, shown(root / name), room)
        room -= max(len(data), table.nbytes)
        found = choose_columns(table.schema, shown(root / name))
        if columns is not None and found != columns:
            raise BadInput(
                f"{shown(root / name)} has other columns than {escape_name(files[0])}.",
                "The files of one set share their schema.",
                "Fetch or copy the set again.",
            )
        columns = found
        tables.append(table)
    assert columns is not None  # _data_files has refused an empty list
    values = [value for table in tables for value in table.column(columns.label).to_pylist()]
    if not values:
        raise BadInput(f"{shown(root)} holds no rows.", "", "Check that it is the right set.")
    labels, class_names, label_notes = labels_of(
        values, f"{shown(root)}: {escape_name(columns.label)}", columns.names or None
    )
    if columns.beside:
        notes.append(
            f"{escape_name(columns.label)} is taken as label; {listing(list(columns.beside))} not."
        )
    dataset = ArrowFolder(
        root,
        files,
        tables,
        columns,
        labels,
        class_names,
        notes + label_notes,
        hashes,
        inside + STATE,
    )
    dataset.split, dataset.splits = split, splits
    return dataset


def _data_files(root: Path, state: dict[str, Any], inside: str) -> list[str]:
    where = shown(root / (inside + STATE))
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise BadInput(
            f"{where} names a table of indices beside the data.",
            "An old version of Hugging Face datasets wrote it; the rows would be in another order.",
            "Load and save the set again with a version since 2.0.",
        )
    listed = state.get("_data_files")
    found = [
        entry.get("filename") if isinstance(entry, dict) else None
        for entry in (listed if isinstance(listed, list) else [])
    ]
    if not found or not all(
        isinstance(name, str) and name and "/" not in name and name not in (".", "..")
        for name in found
    ):
        raise BadInput(
            f"{where} does not name the data files.",
            "It lists plain file names beside it under _data_files.",
            "Fetch or copy the set again.",
        )
    if len(set(found)) != len(found) or len(found) > 100_000:
        raise BadInput(f"{where} names a file twice.", "", "Fetch or copy the set again.")
    return [f"{inside}{name}" for name in found]


def _table(data: bytes, where: str, room: int) -> Any:
    pyarrow = arrow()
    try:
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(data)) as reader:
            refuse_extensions(reader.schema, where)
            batches, size = [], 0
            for batch in reader:
                size += batch.nbytes
                if size > room:
                    raise ValueError(f"it expands to more than {room >> 30} GiB")
                batches.append(batch)
            table = pyarrow.Table.from_batches(batches, reader.schema)
        table.validate(full=True)
    except BadInput:
        raise
    except Exception as error:
        raise damaged(where, error) from None
    return table


def _bytes(root: Path, name: str) -> bytes:
    try:
        return read_file(root, name, _MAX_JSON)
    except OSError as error:
        raise BadInput(
            f"{shown(root / name)} cannot be read: {reason_of(error)}.",
            "A saved dataset needs it.",
            "Fetch or copy the set again.",
        ) from None


def _json(root: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(root, name))
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{shown(root / name)} is damaged: {one_line(error)}.",
            "It is no JSON.",
            "Fetch or copy the set again.",
        ) from None
    if not isinstance(found, dict):
        raise BadInput(f"{shown(root / name)} is no JSON object.", "", "Fetch the set again.")
    return found
