"""Issues that cleanlab found, as its data frames are written to CSV.

``Datalab.get_issues()`` has ``is_label_issue``, ``label_score``, ``is_outlier_issue`` and so on;
``CleanLearning.get_label_issues()`` has ``is_label_issue`` and ``label_quality``. One row per
sample, in the order of the dataset or with an index in the first column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import numpy as np

from inspector.case import Case
from inspector.engine.client.lists.suspects import SuspectList, Suspects
from inspector.errors import BadInput

_ISSUE = re.compile(r"is_([a-z][a-z_]*)_issue")
_INDEX = ("", "index", "unnamed: 0", "id")
_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0", "")


def is_cleanlab_header(header: Sequence[str]) -> bool:
    """Tell whether a CSV header is one of cleanlab's."""
    return any(_ISSUE.fullmatch(cell.strip().lower()) for cell in header)


def cleanlab_suspects(case: Case, text: str, name: str) -> SuspectList:
    """Read issues; label issues become *mislabelled*, all others *suspect*.

    Raises
    ------
    BadInput
        No issue columns, or rows that do not fit the dataset.
    """
    reader = csv.reader(io.StringIO(text))
    header = [cell.strip().lower() for cell in next(reader, [])]
    columns = {match[1]: at for at, cell in enumerate(header) if (match := _ISSUE.fullmatch(cell))}
    if not columns:
        raise BadInput(
            f"{name} has no column of issues.",
            "cleanlab calls it is_label_issue.",
            "Write the data frame with DataFrame.to_csv.",
        )
    indexed = header[0] in _INDEX
    found: dict[str, list[int]] = {issue: [] for issue in columns}
    seen: set[int] = set()
    for number, row in enumerate(line for line in reader if line):
        if len(row) != len(header):
            raise BadInput(
                f"{name}, row {number + 1} has {len(row)} cells, the header {len(header)}.",
                "",
                "Write the data frame again.",
            )
        sample = _index(row[0], name) if indexed else number
        if not 0 <= sample < case.n or sample in seen:
            raise BadInput(
                f"{name} names sample {sample}{' twice' if sample in seen else ''}.",
                f"The dataset has {case.n:,} samples, counted from 0.",
                "Check that the list belongs to this dataset.",
            )
        seen.add(sample)
        for issue, at in columns.items():
            if _truth(row[at], name):
                found[issue].append(sample)
    if not indexed and len(seen) != case.n:
        raise BadInput(
            f"{name} has {len(seen):,} rows, the dataset {case.n:,} samples.",
            "Without an index column the rows must be all samples in their order.",
            "Write the data frame with its index.",
        )
    groups = tuple(
        Suspects(
            np.array(sorted(rows), np.intp),
            "mislabelled" if issue == "label" else "suspect",
            f"is_{issue}_issue",
        )
        for issue, rows in found.items()
        if rows
    )
    return SuspectList("cleanlab", groups)


def _index(cell: str, name: str) -> int:
    if not cell.strip().isascii() or not cell.strip().isdigit():
        raise BadInput(f"{name} has the index {cell[:40]!r}.", "", "Indices are whole numbers.")
    return int(cell)


def _truth(cell: str, name: str) -> bool:
    word = cell.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise BadInput(
        f"{name} says {cell[:40]!r} where an issue is True or False.", "", "Write it again."
    )
