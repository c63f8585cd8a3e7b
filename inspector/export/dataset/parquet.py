"""Writer for Parquet: each file with rows taken out; order, schema and its metadata stay.

Row groups stay apart, and the values of every column are those of the source; only the pages
around them are written anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import CaseError
from inspector.export.new_file import new_file
from inspector.intake.datasets.arrow_columns import arrow
from inspector.intake.datasets.names import shown
from inspector.intake.datasets.parquet import ParquetImages
from inspector.intake.datasets.parquet_file import damaged, opened_parquet


def write_parquet(
    dataset: ParquetImages, kept: NDArray[np.intp], folder: Path, control: Control
) -> None:
    """Write each shard without the rows that are not kept; one may become empty.

    Raises
    ------
    BadInput
        A shard is damaged.
    CaseError
        What was written differs from the source in some column.
    OSError
        They cannot be written.
    """
    stays = np.zeros(len(dataset), np.bool_)
    stays[kept] = True
    start = 0
    for number, shard in enumerate(dataset.shards):
        control.check()
        control.progress("export", number, len(dataset.shards), "writing shards")
        target = folder / (shard.name or dataset.root.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        mask = stays[start : start + shard.rows]
        filtered_parquet(dataset.root, shard.name, mask, target, control)
        start += shard.rows
    control.progress("export", len(dataset.shards), len(dataset.shards), "writing shards")


def filtered_parquet(
    root: Path,
    name: str,
    stays: NDArray[np.bool_],
    target: Path,
    control: Control | None = None,
) -> None:
    """Write one Parquet file with some of its rows, then read it back and compare every column.

    Parameters
    ----------
    root, name
        The source: a folder and a path below it, or a file and "".
    stays : ndarray, shape (rows of the file,), bool
    target : Path
        File to create.
    control : Control, optional
        Takes a cancel between row groups.

    Raises
    ------
    BadInput, CaseError, OSError
        See `write_parquet`.
    """
    pa = arrow()
    import pyarrow.parquet as parquet

    control = control or Control()
    written: list[int] = []
    with opened_parquet(root, name) as source:
        groups = source.metadata.num_row_groups
        bounds = np.cumsum(
            [0] + [source.metadata.row_group(group).num_rows for group in range(groups)]
        )
        packing = "none"
        if groups and source.metadata.num_columns:
            packing = source.metadata.row_group(0).column(0).compression.lower()
        with (
            new_file(target) as file,
            parquet.ParquetWriter(
                pa.PythonFile(file, mode="w"),
                source.schema_arrow,
                compression="none" if packing == "uncompressed" else packing,
            ) as writer,
        ):
            for group in range(groups):
                control.check()
                part = _rows(source, group, stays[bounds[group] : bounds[group + 1]], root / name)
                if part.num_rows:
                    writer.write_table(part, row_group_size=part.num_rows)
                    written.append(group)
        with opened_parquet(target) as copy:
            same = copy.metadata.num_row_groups == len(written) and copy.schema_arrow.equals(
                source.schema_arrow, check_metadata=True
            )
            for place, group in enumerate(written if same else ()):
                control.check()
                part = _rows(source, group, stays[bounds[group] : bounds[group + 1]], root / name)
                same = same and part.equals(copy.read_row_group(place, use_threads=False))
    if not same:
        raise CaseError(
            f"The export was not kept: {shown(target.name)} differs from the source.",
            "Something went wrong while writing or reading back.",
            "Try again, on another disk if it happens twice.",
        )


def _rows(source, group: int, stays: NDArray[np.bool_], path: Path):  # type: ignore[no-untyped-def]
    try:
        table = source.read_row_group(group, use_threads=False)
        return table.filter(arrow().array(stays))
    except Exception as error:
        raise damaged(shown(path), error) from None
