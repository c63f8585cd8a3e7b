"""The lists that go with an export: what was removed and why, what was kept, and checksums."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import __version__
from inspector.api import Control
from inspector.case.canonical import valid_unicode
from inspector.errors import CaseError
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


def write_provenance(
    plan: ExportPlan,
    digest: str,
    files: Mapping[str, bytes],
    provenance: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write ``provenance.json``, an in-toto Statement (v1) about the export, unsigned.

    Parameters
    ----------
    plan : ExportPlan
    digest : str
        `Dataset.digest` of what was written, the first subject.
    files : mapping of str to bytes
        SHA-256 by relative path of every file, the further subjects.
    provenance : mapping
        The caller's account of the case, put under ``predicate.case``.
    folder : Path
    """
    subjects = [
        {"name": valid_unicode(name), "digest": {"sha256": files[name].hex()}}
        for name in sorted(files, key=os.fsencode)
    ]
    dataset = plan.dataset
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "dataset", "digest": {"sha256": digest}}, *subjects],
        "predicateType": PREDICATE,
        "predicate": {
            "inspector": __version__,
            "role": "quarantine" if plan.quarantine else "cleaned",
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


def digests_of(folder: Path, known: Mapping[str, bytes], control: Control) -> dict[str, bytes]:
    """Return the SHA-256 by relative path of every file below a folder.

    Parameters
    ----------
    folder : Path
        The export.
    known : mapping of str to bytes
        Digests of files that were read back already.
    control : Control
        Takes a cancel between files.
    """
    found = {}
    for path in walk(folder).files:
        control.check()
        found[path] = known.get(path) or sha256_of(folder, path)
    return found


def write_manifest(folder: Path, files: Mapping[str, bytes]) -> int:
    """Write ``manifest.sha256`` over these files, as ``sha256sum -c`` reads it; return their bytes.

    Parameters
    ----------
    folder : Path
        The export.
    files : mapping of str to bytes
        SHA-256 by relative path.
    """
    ordered = sorted(files, key=os.fsencode)
    lines = [_manifest_line(files[path].hex(), os.fsencode(path)) for path in ordered]
    write_chunks(folder / MANIFEST, lines)
    return sum((folder / path).stat().st_size for path in ordered)


def check_lists(folder: Path, expected: Mapping[str, Sequence[int]]) -> None:
    """Prove from the lists as written that they name these rows, and together no row twice.

    Raises
    ------
    CaseError
        They do not.
    """
    seen: set[int] = set()
    for name, rows in expected.items():
        with open(folder / name, encoding="utf-8", newline="") as file:
            found = [int(row["index"]) for row in csv.DictReader(file)]
        if found != list(rows) or seen.intersection(found):
            raise differs(f"{name} does not name the samples that it should")
        seen.update(found)


def differs(how: str) -> CaseError:
    """Return the refusal of an export that is not what it should be when read back."""
    return CaseError(
        f"The export was not kept: {how}.",
        "Something went wrong while writing or reading back.",
        "Try again, on another disk if it happens twice.",
    )


def _manifest_line(digest: str, name: bytes) -> bytes:
    """Return a line in the format of GNU coreutils: odd names are escaped behind a backslash."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"


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
