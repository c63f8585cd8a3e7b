"""Parquet manifests: a table of paths and labels, as Hugging Face's ``metadata.parquet`` is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from inspector.errors import BadInput
from inspector.intake.datasets.arrow_columns import arrow, has_image_bytes, is_text, one_line
from inspector.intake.datasets.manifest_table import (
    ManifestTable,
    chosen_columns,
)
from inspector.intake.datasets.parquet_file import opened_parquet
from inspector.intake.limits import limit, told

_MOST_TEXT = 1 << 30
_MAGIC = b"PAR1"


def is_manifest(root: Path, name: str, head: bytes) -> bool:
    """Tell whether a file is a Parquet table of paths and labels, without images in it."""
    if head[:4] != _MAGIC:
        return False
    try:
        with opened_parquet(root, name) as file:
            schema = file.schema_arrow
    except (BadInput, OSError):
        return False
    columns = chosen_columns(schema.names)
    if columns is None or has_image_bytes(schema):
        return False
    return is_text(schema.field(columns[0]).type)


def parse(data: bytes, where: str) -> ManifestTable:
    """Read a Parquet manifest out of its bytes.

    Raises
    ------
    BadInput
        pyarrow is missing, the file is damaged, or it has too many rows.
    """
    pyarrow = arrow()
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
        columns = chosen_columns(file.schema_arrow.names)
        if columns is None or file.metadata.num_rows > limit("manifest-rows"):
            raise BadInput(
                f"{where} is no manifest of images and labels that is read.",
                "It needs a column file_name and a column label, and at most "
                f"{told('manifest-rows')}.",
                "Correct it in a copy.",
            )
        images, labels, splits = (_texts(file, name, pyarrow) if name else [] for name in columns)
        if len({len(images), len(labels), len(splits) or len(images)}) > 1:
            raise ValueError("its columns have different lengths")
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"{where} cannot be read: {one_line(error)}.",
            "It is damaged, or no Parquet file.",
            "Fetch or copy it again and compare its checksum.",
        ) from None
    return ManifestTable(
        "parquet", columns, b"", [], images, labels, ["" if s is None else str(s) for s in splits]
    )


def _texts(file: Any, name: str, pyarrow: Any) -> list[Any]:
    """Return a column as Python values, bounded in what it may expand to."""
    values: list[Any] = []
    size = 0
    for batch in file.iter_batches(batch_size=4096, columns=[name], use_threads=False):
        column = batch.column(0)
        size += column.nbytes
        if size > _MOST_TEXT:
            raise ValueError(f"the column {name[:40]} expands to more than 1 GiB")
        values += column.to_pylist()
    return values
