"""The ranking as other programs read it: ``ranking --json`` and ``--csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from inspector.case.canonical import valid_unicode
from inspector.case.explanations import reasons, sentence
from inspector.case.folder import Case
from inspector.case.table import SampleTable
from inspector.errors import BadInput

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LARGEST = float(np.finfo(np.float32).max)
_POWERS = np.array([float(f"1e{power}") for power in range(23)])
"""The powers of ten that float64 holds exactly."""


def ranking_document(
    case: Case, detector: str | None = None, top: int | None = None, why: bool = False
) -> dict[str, Any]:
    """Return the assessed samples, most suspicious first, as ``ranking --json`` prints them.

    Parameters
    ----------
    case : Case
    detector : str, optional
        Order by this detector; by the combined ranking when None.
    top : int, optional
        Only so many.
    why : bool
        Add what speaks for suspecting each sample, in words.

    Returns
    -------
    dict
        ``{"samples": [...]}`` as in ``resources/schema/ranking.schema.json``. What is not known is
        None; undecodable bytes of file names are written ``\\xNN``.

    Raises
    ------
    BadInput
        No scan has ranked anything yet, or no such detector.
    """
    table = SampleTable(case)
    rows = _ranked_rows(table, detector, top)
    columns = _columns(table, rows)
    scores = [columns.pop(name) for name in table.detectors]
    ids = table.detectors
    columns["scores"] = [dict(zip(ids, row)) for row in zip(*scores)] if ids else [{}] * len(rows)
    keys: tuple[str, ...] = (
        "index",
        "uri",
        "label",
        "label_name",
        "predicted",
        "scores",
        "combined",
        "p_value",
        "tags",
        "sha256",
        "pixel_sha256",
        "q_value",
    )
    if why:
        columns["why"] = [
            [sentence(reason) for reason in found] for found in reasons(case, table, rows)
        ]
        keys = (*keys, "why")
    return {"samples": [dict(zip(keys, row)) for row in zip(*(columns[key] for key in keys))]}


def write_ranking_csv(document: Mapping[str, Any], file: IO[str]) -> None:
    """Write what `ranking_document` returned as CSV, one column per detector.

    Text from the evidence that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    samples = document["samples"]
    ids = list(samples[0]["scores"]) if samples else []
    first, last = ("index", "uri", "label", "label_name", "predicted"), ("combined", "p_value")
    # All text is quoted: a carriage return in a file name would end the row otherwise.
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*first, *map(unformulated, ids), *last, "tags", "q_value"])
    for sample in samples:
        scores = sample["scores"]
        writer.writerow(
            [
                *(unformulated(sample[name]) for name in first),
                *(scores[name] for name in ids),
                *(sample[name] for name in last),
                unformulated(";".join(sample["tags"])),
                sample["q_value"],
            ]
        )


def _ranked_rows(
    table: SampleTable, detector: str | None = None, top: int | None = None
) -> NDArray[np.intp]:
    if top is not None and top < 0:
        raise BadInput(f"--top is {top}.", "It counts samples.", "Give 0 or more.")
    if detector is not None and detector not in table.detectors:
        known = ", ".join(table.detectors) or "none yet"
        raise BadInput(
            f"There is no ranking by {detector[:60]!r}.",
            table.missing.get(detector, ""),
            f"Detectors with scores in this case: {known}.",
        )
    by = detector or "combined"
    if by not in table.columns:
        raise BadInput(
            f"The case {table.case.path} has no ranking yet.",
            table.missing.get(by, "No scan has finished on it."),
            "Run `inspector scan` on it first.",
        )
    return table.rank(by, np.flatnonzero(table.assessed))[:top]


def unformulated(cell: Any) -> Any:
    """Return text that no spreadsheet takes for a formula; what is no text stays as it is."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _columns(table: SampleTable, rows: NDArray[np.intp]) -> dict[str, list[Any]]:
    """Return one list per field, in the order of ``rows``."""
    case = table.case
    names = np.array([valid_unicode(name) for name in case.class_names] + [None], object)
    columns: dict[str, list[Any]] = {
        name: _numbers(table.columns[name][rows]) for name in table.detectors
    }
    for name in ("combined", "p_value", "q_value"):
        values = table.columns.get(name)
        columns[name] = [None] * len(rows) if values is None else _numbers(values[rows])
    for name in ("label", "predicted"):
        codes = table.columns.get(name)
        codes = np.full(table.n, -1) if codes is None else codes
        columns[name] = [None if code < 0 else code for code in codes[rows].tolist()]
        if name == "label":
            known = (codes >= 0) & (codes < len(case.class_names))
            columns["label_name"] = names[np.where(known, codes, -1)[rows]].tolist()
    columns["index"] = rows.tolist()
    columns["uri"] = [valid_unicode(text) for text in case.samples.locators(rows)]
    columns["tags"] = case.tags.names(rows)
    for name, array in (("sha256", "stored_sha256"), ("pixel_sha256", "pixel_sha256")):
        columns[name] = _digests(case, array, rows)
    return columns


def _digests(case: Case, name: str, rows: NDArray[np.intp]) -> list[str | None]:
    """Return hashes in hexadecimal; None where there is none, as of what cannot be read."""
    if not case.has_array(name):
        return [None] * len(rows)
    hashes = np.asarray(case.array(name))[rows]
    return [row.tobytes().hex() if row.any() else None for row in hashes]


def _numbers(values: NDArray[Any]) -> list[float | None]:
    """Return numbers as JSON can hold them: NaN is None, infinity the largest float32."""
    bounded = np.clip(values.astype(np.float64), -_LARGEST, _LARGEST)
    short = _shortest(bounded, values.dtype)
    return [None if number != number else number for number in short.tolist()]


def _shortest(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Return numbers with as few digits as still give the same float32: 0.1, not 0.10000000149.

    Parameters
    ----------
    values : ndarray of float64
        float32 numbers, widened.
    dtype : dtype
        What they were; others than float32 stay as they are.
    """
    if dtype != np.float32:
        return values
    found = values.copy()
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(values)))
        exponent = np.where(np.isfinite(exponent), exponent, 0).astype(np.int64)
        for digits in (9, 8, 7, 6):
            power = np.clip(digits - 1 - exponent, -22, 22)
            up, down = _POWERS[np.maximum(power, 0)], _POWERS[np.maximum(-power, 0)]
            # One of the two is 1, so that each step rounds once at most.
            rounded = np.rint(values * up / down) / up * down
            found = np.where(rounded.astype(np.float32) == values, rounded, found)
    return found
