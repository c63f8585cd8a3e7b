"""Lists of indices, such as the ``poison_indices`` of backdoor toolboxes."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case
from inspector.engine.client.lists.suspects import SuspectList, Suspects
from inspector.engine.client.verified import rows_of
from inspector.errors import BadInput

_KEYS = ("poison_indices", "indices", "index", "ids", "suspects")
_COLUMNS = ("index", "poison_indices", "uri", "id", "file_name")


def index_suspects(
    case: Case, content: bytes | str | list[Any] | dict[str, Any], name: str
) -> SuspectList:
    """Read indices, file names or a mask.

    Parameters
    ----------
    case : Case
    content : bytes, str, list or dict
        A NumPy file; text or CSV; or a parsed JSON document: a list, or a mapping with one under
        ``poison_indices``, ``indices`` or ``ids``.
    name : str
        For messages.

    Raises
    ------
    BadInput
        No indices, or some that the dataset does not have.
    """
    if isinstance(content, bytes):
        rows = _array_rows(case, content, name)
    else:
        given = _text_ids(content) if isinstance(content, str) else _json_ids(content, name)
        if isinstance(given, np.ndarray):
            rows = _masked(case, given, name)
        else:
            rows = rows_of(given, case.n, case.locator)
    if not rows.size:
        raise BadInput(
            f"{name} names no samples.", "It is empty.", "Give one index or file name per line."
        )
    return SuspectList("indices", (Suspects(rows, "suspect", "listed"),))


def _array_rows(case: Case, content: bytes, name: str) -> NDArray[np.intp]:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError):
        raise BadInput(
            f"{name} is no NumPy file that can be read.",
            "It is damaged, or holds pickled objects, which are never opened.",
            "Save a plain array of integers: numpy.save(FILE, array).",
        ) from None
    if array.dtype == bool:
        return _masked(case, array, name)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise BadInput(
            f"{name} holds {array.dtype} of shape {array.shape}, not indices.",
            "",
            "Save a list of whole numbers, or one truth value for each sample.",
        )
    return rows_of((str(value) for value in _unsigned(array, name)), case.n, case.locator)


def _unsigned(array: NDArray[Any], name: str) -> list[int]:
    if array.size and array.min() < 0:
        raise BadInput(f"{name} holds the negative index {array.min()}.", "", "Count from 0.")
    return [int(value) for value in array.tolist()]


def _masked(case: Case, mask: NDArray[np.bool_], name: str) -> NDArray[np.intp]:
    if mask.shape != (case.n,):
        raise BadInput(
            f"{name} holds {mask.size:,} truth values, the dataset has {case.n:,} samples.",
            "A mask has one for each sample.",
            "Check that the list belongs to this dataset.",
        )
    return np.flatnonzero(mask)


def _json_ids(document: Any, name: str) -> list[str] | NDArray[np.bool_]:
    if isinstance(document, dict):
        document = next((document[key] for key in _KEYS if key in document), None)
    if not isinstance(document, list):
        raise BadInput(
            f"{name} holds no list of samples.",
            "",
            f"Give a JSON list, or one under {' or '.join(_KEYS[:3])}.",
        )
    if document and all(isinstance(item, bool) for item in document):
        return np.array(document, bool)
    for item in document:
        if isinstance(item, bool) or not isinstance(item, (int, str)) or item in ("", -1):
            raise BadInput(
                f"{name} lists {str(item)[:40]!r}, which names no sample.",
                "",
                "List whole numbers from 0, or file names.",
            )
    return [str(item) for item in document]


def _text_ids(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    header = [cell.strip().lower() for cell in next(csv.reader(io.StringIO(lines[0])))]
    for column in _COLUMNS:
        if column in header:
            at = header.index(column)
            rows = csv.reader(io.StringIO("\n".join(lines[1:])))
            return [row[at].strip() for row in rows if len(row) > at and row[at].strip()]
    if len(lines) == 1 and "," in lines[0]:
        return [part.strip() for part in lines[0].split(",") if part.strip()]
    return [line.strip() for line in lines]
