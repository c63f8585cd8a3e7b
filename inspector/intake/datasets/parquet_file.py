"""Opening Parquet files that somebody may have built to do harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.errors import BadInput
from inspector.intake.datasets.arrow_columns import arrow, one_line, refuse_extensions
from inspector.intake.datasets.evidence_file import opened, reason_of
from inspector.intake.datasets.names import shown

_THRIFT = 64 << 20
"""Bytes and entries that a footer may declare; one of a million rows has well under one MiB."""


@contextmanager
def opened_parquet(root: Path, relative: str = "") -> Iterator[Any]:
    """Open a Parquet file below the evidence root and yield a ``pyarrow.parquet.ParquetFile``.

    Raises
    ------
    BadInput
        pyarrow is missing, the file cannot be read, is damaged, or has an extension type.
    """
    arrow()
    import pyarrow.parquet as parquet

    where = shown(root / relative if relative else root)
    try:
        with opened(root, relative) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
            try:
                file = parquet.ParquetFile(
                    stream,
                    page_checksum_verification=True,
                    thrift_string_size_limit=_THRIFT,
                    thrift_container_size_limit=_THRIFT,
                )
                schema = file.schema_arrow
            except Exception as error:
                # ArrowInvalid, OSError, NotImplementedError and more, from hostile footers.
                raise damaged(where, error) from None
            refuse_extensions(schema, where)
            yield file
    except OSError as error:
        raise BadInput(
            f"{where} cannot be read: {reason_of(error)}.",
            "",
            "Check the path and your permission to read it.",
        ) from None


def damaged(where: str, error: BaseException) -> BadInput:
    """Return the refusal of a Parquet or Arrow file that cannot be read to its end."""
    return BadInput(
        f"{where} is damaged: {one_line(error)}.",
        "It cannot be read as the format that it claims to be.",
        "Fetch or copy it again and compare its checksum.",
    )
