"""Read the list of training samples that somebody verified as clean, one by one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.errors import BadInput

MAX_BYTES = 64 << 20


def read_text(path: Path) -> str:
    """Return the text of a list file.

    Raises
    ------
    BadInput
        Unreadable, too long, or no text.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(
                f"{path} is larger than {MAX_BYTES >> 20} MiB.",
                "A list of ids is not that long.",
                "Give one index or file name per line.",
            )
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"The list {path} cannot be read.", f"{error.strerror}.", "Check the path."
        ) from None
    except UnicodeDecodeError:
        raise BadInput(
            f"The list {path} is not text.", "It is not UTF-8.", "Give one index per line."
        ) from None


def read_ids(path: Path) -> list[str]:
    """Return the ids of a list file: JSON array, CSV with an ``index`` or ``uri`` column, or lines.

    Raises
    ------
    BadInput
        Unreadable, too long, or without ids.
    """
    text = read_text(path)
    ids = _json_ids(text) if text.lstrip().startswith(("[", "{")) else _table_ids(text)
    if not ids:
        raise BadInput(
            f"The list {path} names no samples.",
            "It is empty.",
            "Give one index or file name per line.",
        )
    return ids


def _json_ids(text: str) -> list[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            "The list of ids is not valid JSON.", f"{error}.", "Mend the file."
        ) from None
    if isinstance(document, dict):
        document = document.get("samples", document.get("ids", []))
    if not isinstance(document, list):
        return []
    values = [
        item.get("index", item.get("uri")) if isinstance(item, dict) else item for item in document
    ]
    return [str(value) for value in values if isinstance(value, (int, str))]


def _table_ids(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    header = [cell.strip().lower() for cell in next(csv.reader(io.StringIO(lines[0])))]
    for name in ("index", "uri", "id", "file_name"):
        if name in header:
            column = header.index(name)
            rows = csv.reader(io.StringIO("\n".join(lines[1:])))
            return [
                row[column].strip() for row in rows if len(row) > column and row[column].strip()
            ]
    return [line.strip() for line in lines]


def rows_of(ids: Iterable[str], count: int, locator: Callable[[int], str]) -> NDArray[np.intp]:
    """Return the rows that ids name: whole numbers are indices, anything else is a locator.

    Raises
    ------
    BadInput
        An id that names no sample.
    """
    rows: list[int] = []
    names: dict[str, int] | None = None
    for text in ids:
        if text.isascii() and text.isdigit():
            row = int(text)
            if row >= count:
                raise BadInput(
                    f"Sample {row} does not exist.",
                    f"The dataset has {count:,} samples, counted from 0.",
                    "Check that the list belongs to this dataset.",
                )
        else:
            if names is None:
                names = {locator(i): i for i in range(count)}
            found = names.get(text)
            if found is None:
                raise BadInput(
                    f"No sample lies at {text!r}.",
                    "The list names a file that the dataset does not have.",
                    "Give names relative to the dataset's folder, or indices.",
                )
            row = found
        rows.append(row)
    return np.unique(np.asarray(rows, np.intp))
