"""The lists that go with an export: what was removed and why, and what was kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.export.dataset.plan import ExportPlan
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.dataset import Dataset

_COLUMNS = ("index", "uri", "label", "label_name", "sha256")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """Return a value as a CSV cell that no spreadsheet takes for a formula.

    Text that starts with ``= + - @``, a tab or a carriage return gets a ``'`` before it; numbers
    stay numbers; lists and mappings become JSON.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return "'" + text if text.startswith(_FORMULA) else text


def write_removed(plan: ExportPlan, reasons: Mapping[int, Mapping[str, Any]], folder: Path) -> None:
    """Write ``removed.csv``: one row for each sample left out, with a column for each reason."""
    extra = _reason_columns(plan.removed, reasons)
    rows = (
        [*_base(plan.dataset, row), *(_reason(reasons, row).get(name) for name in extra)]
        for row in plan.removed.tolist()
    )
    _write(folder / "removed.csv", (*_COLUMNS, *extra), rows)


def write_kept(plan: ExportPlan, folder: Path) -> None:
    """Write ``kept.csv``: one row for each exported sample with its old and its new index."""
    rows = (
        [*_base(plan.dataset, row), new_index] for new_index, row in enumerate(plan.kept.tolist())
    )
    _write(folder / "kept.csv", (*_COLUMNS, "new_index"), rows)


def write_quarantined(
    plan: ExportPlan, reasons: Mapping[int, Mapping[str, Any]], folder: Path
) -> None:
    """Write ``removed.csv`` of a quarantine: its samples with old and new index and reasons."""
    extra = _reason_columns(plan.kept, reasons)
    rows = (
        [
            *_base(plan.dataset, row),
            new_index,
            *(_reason(reasons, row).get(name) for name in extra),
        ]
        for new_index, row in enumerate(plan.kept.tolist())
    )
    _write(folder / "removed.csv", (*_COLUMNS, "new_index", *extra), rows)


def _base(dataset: Dataset, row: int) -> list[Any]:
    label = int(dataset.labels[row])
    name = dataset.class_names[label] if label >= 0 else ""
    return [row, dataset.locator(row), label, name, dataset.stored_sha256()[row].tobytes().hex()]


def _reason_columns(rows: NDArray[np.intp], reasons: Mapping[int, Mapping[str, Any]]) -> list[str]:
    columns: dict[str, None] = {}
    for row in rows:
        columns.update(dict.fromkeys(map(str, reasons.get(int(row), {}))))
    return [name for name in columns if name not in _COLUMNS]


def _reason(reasons: Mapping[int, Mapping[str, Any]], row: int) -> dict[str, Any]:
    return {str(name): value for name, value in reasons.get(row, {}).items()}


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(cell, header))
    writer.writerows([cell(value) for value in row] for row in rows)
    write_chunks(path, [buffer.getvalue().encode("utf-8", "backslashreplace")])
