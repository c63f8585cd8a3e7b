"""The lists that go with an export: what was removed and why, what was kept, and checksums."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inspector import __version__
from inspector.api import Control
from inspector.export.files import write_chunks
from inspector.export.plan import ExportPlan
from inspector.intake.datasets.dataset import Dataset
from inspector.intake.datasets.evidence_file import sha256_of
from inspector.intake.datasets.tree import walk

MANIFEST = "manifest.sha256"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:inspector-forensics:cleaned-dataset:1"

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
    columns: dict[str, None] = {}
    for row in plan.removed:
        columns.update(dict.fromkeys(map(str, reasons.get(int(row), {}))))
    extra = [name for name in columns if name not in _COLUMNS]
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


def write_provenance(
    plan: ExportPlan, written: Dataset, provenance: Mapping[str, Any], folder: Path
) -> None:
    """Write ``provenance.json``, an in-toto Statement (v1) about the export, unsigned.

    Its subjects are the two lists and the dataset as a whole (`Dataset.digest`); the caller's
    account of the case lies under ``predicate.case``.
    """
    subjects = [
        {"name": name, "digest": {"sha256": sha256_of(folder, name).hex()}}
        for name in ("kept.csv", "removed.csv")
    ]
    dataset = plan.dataset
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "dataset", "digest": {"sha256": written.digest()}}, *subjects],
        "predicateType": PREDICATE,
        "predicate": {
            "inspector": __version__,
            "format": dataset.format,
            "source_digest": dataset.digest(),
            "samples": {
                "source": len(dataset),
                "kept": len(plan.kept),
                "removed": len(plan.removed),
            },
            "classes": [
                {"index": c.index, "name": c.name, "before": c.before, "after": c.after}
                for c in plan.classes
            ],
            "notes": list(plan.notes),
            "case": dict(provenance),
        },
    }
    text = json.dumps(statement, indent=2, default=str) + "\n"
    write_chunks(folder / "provenance.json", [text.encode("ascii")])


def write_manifest(folder: Path, known: Mapping[str, bytes], control: Control) -> tuple[int, int]:
    """Write ``manifest.sha256`` over every other file, as ``sha256sum -c`` reads it.

    Parameters
    ----------
    folder : Path
        The export.
    known : mapping of str to bytes
        SHA-256 by relative path of files that were read back already.
    control : Control
        Takes a cancel between files.

    Returns
    -------
    files, size : int
        Number of files listed, and their bytes.
    """
    files = walk(folder).files
    lines, size = [], 0
    for path in sorted(files, key=os.fsencode):
        control.check()
        digest = known.get(path) or sha256_of(folder, path)
        size += (folder / path).stat().st_size
        lines.append(_manifest_line(digest.hex(), os.fsencode(path)))
    write_chunks(folder / MANIFEST, lines)
    return len(files), size


def _manifest_line(digest: str, name: bytes) -> bytes:
    """Return a line in the format of GNU coreutils: odd names are escaped behind a backslash."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"


def _base(dataset: Dataset, row: int) -> list[Any]:
    label = int(dataset.labels[row])
    name = dataset.class_names[label] if label >= 0 else ""
    return [row, dataset.locator(row), label, name, dataset.stored_sha256()[row].tobytes().hex()]


def _reason(reasons: Mapping[int, Mapping[str, Any]], row: int) -> dict[str, Any]:
    return {str(name): value for name, value in reasons.get(row, {}).items()}


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(cell, header))
    writer.writerows([cell(value) for value in row] for row in rows)
    write_chunks(path, [buffer.getvalue().encode("utf-8", "backslashreplace")])
