"""The top of the ranking with pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case, ranking_document
from inspector.errors import BadInput, CaseError
from inspector.export.report.pictures import as_picture, as_pixels

TOP = 24


def suspects(case: Case) -> list[dict[str, Any]]:
    """Return the foremost `TOP` samples of the combined ranking.

    Returns
    -------
    list of dict
        Rows of the ranking document with ``rank`` (from 1), ``predicted_name`` and ``picture``
        (None when the sample has no thumbnail) and ``false_bound`` (of a cut here). Empty when
        nothing was ranked yet.
    """
    try:
        rows = ranking_document(case, top=TOP)["samples"]
    except BadInput:
        return []
    pictures = _thumbnails(case, [row["index"] for row in rows])
    bounds = _bounds(case, [row["index"] for row in rows])
    names = case.class_names
    described = []
    for rank, (row, pixels, bound) in enumerate(zip(rows, pictures, bounds), start=1):
        predicted = row["predicted"]
        known = predicted is not None and 0 <= predicted < len(names)
        alt = f"sample {row['index']}, labelled {row['label_name']}"
        described.append(
            {
                "rank": rank,
                **row,
                "false_bound": bound,
                "predicted_name": names[predicted] if known else None,
                "picture": None if pixels is None else as_picture(pixels, alt),
            }
        )
    return described


def _thumbnails(case: Case, rows: list[int]) -> list[NDArray[np.uint8] | None]:
    if not rows or not case.has_array("thumbnails"):
        return [None] * len(rows)
    try:
        thumbnails = case.array("thumbnails")
    except CaseError:
        return [None] * len(rows)
    return [as_pixels(thumbnails[row]) for row in rows]


def _bounds(case: Case, rows: list[int]) -> list[float | None]:
    """Return how many of a class may be ordinary at or above each sample, where an audit tells."""
    if not rows or not case.has_array("false_bound"):
        return [None] * len(rows)
    try:
        values = np.asarray(case.array("false_bound"))[rows].astype(np.float64)
    except CaseError:
        return [None] * len(rows)
    return [float(value) if np.isfinite(value) else None for value in values]
