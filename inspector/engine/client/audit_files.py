"""Audits as other programs read and write them: lists to review elsewhere, verdicts to take in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from inspector.case import Case
from inspector.case.canonical import valid_unicode
from inspector.case.ranking import unformulated
from inspector.engine.client.audit import (
    AUDIT_VERDICTS,
    Audit,
    audits,
    doubts,
    resolution,
)
from inspector.engine.client.verified import read_text, rows_of
from inspector.errors import BadInput

SCHEMA = "inspector/audit/1"

_IDS = ("index", "uri", "id", "file_name")


def audit_document(case: Case, label: int | None = None) -> dict[str, Any]:
    """Return the audits as ``audit --json`` prints them.

    Parameters
    ----------
    case : Case
    label : int, optional
        Only this class, and with its samples.

    Returns
    -------
    dict
        As in ``resources/schema/audit.schema.json``.
    """
    known = audits(case)
    wanted = [audit for audit in known if label is None or audit.label == label]
    tests = max(len(known), 1)
    return {
        "schema": SCHEMA,
        "audits": [_row(case, audit, tests, samples=label is not None) for audit in wanted],
    }


def _row(case: Case, audit: Audit, tests: int, samples: bool) -> dict[str, Any]:
    estimate, low, high = audit.prevalence
    row: dict[str, Any] = {
        "index": audit.label,
        "name": valid_unicode(case.class_names[audit.label]),
        "members": audit.members,
        "drawn": len(audit.rows),
        "draws": [{"seed": seed, "count": count} for seed, count in audit.draws],
        "reviewed": audit.reviewed,
        "verdicts": {name: audit.count(name) for name in AUDIT_VERDICTS},
        "prevalence": {"estimate": estimate, "low": low, "high": high, "level": 0.95},
        "smallest_group": audit.smallest_group(tests=tests),
        "resolution": resolution(audit, tests),
        "warnings": doubts(audit),
    }
    if samples:
        locators = case.samples.locators(np.asarray(audit.rows, np.intp))
        row["samples"] = [
            {"index": sample, "uri": valid_unicode(uri), "verdict": audit.verdicts.get(sample)}
            for sample, uri in zip(audit.rows, locators)
        ]
    return row


def write_audit_csv(samples: Iterable[Mapping[str, Any]], file: IO[str]) -> None:
    """Write the drawn samples in the order of the draw, with a column ``verdict`` to fill in."""
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["index", "uri", "verdict"])
    for row in samples:
        writer.writerow([row["index"], unformulated(row["uri"]), row["verdict"] or ""])


def read_verdicts(path: Path, case: Case) -> dict[int, str]:
    """Return verdicts by row from a CSV or JSON file; samples without a verdict are left out.

    CSV has a column ``index`` or ``uri`` and one ``verdict``; JSON is what ``audit --json`` prints
    for one class, or a list of objects with the same keys.

    Raises
    ------
    BadInput
        The file cannot be read, has no verdicts, names samples that do not exist, or says
        something else than a verdict.
    """
    text = read_text(path)
    found = _from_json(text) if text.lstrip().startswith(("[", "{")) else _from_csv(text)
    given = [(name, verdict.strip().lower()) for name, verdict in found if verdict.strip()]
    if not given:
        raise BadInput(
            f"The file {path} holds no verdicts.",
            "It needs a column or key `verdict`, and `index` or `uri` beside it.",
            f"Fill in {', '.join(AUDIT_VERDICTS)} and import it again.",
        )
    if strange := [verdict for _, verdict in given if verdict not in AUDIT_VERDICTS]:
        raise BadInput(
            f"{strange[0][:40]!r} is no verdict.",
            f"{len(strange):,} rows of {path} say something else than a verdict.",
            f"Choose {', '.join(AUDIT_VERDICTS)}; leave it empty where nobody looked.",
        )
    verdicts: dict[int, str] = {}
    for (name, verdict), row in zip(given, _rows([name for name, _ in given], case)):
        if verdicts.setdefault(row, verdict) != verdict:
            raise BadInput(
                f"Sample {name[:100]} has two verdicts.",
                f"{verdicts[row]} and {verdict}.",
                "Leave one of them.",
            )
    return verdicts


def _rows(names: list[str], case: Case) -> list[int]:
    """Return the row of every name, in order; locators are looked up all at once."""
    texts = [name for name in names if not (name.isascii() and name.isdigit())]
    known = {case.locator(row): row for row in range(case.n)} if texts else {}
    # A spreadsheet was kept from running such a name by an apostrophe before it.
    known |= {unformulated(name): row for name, row in known.items()}
    return [
        known[name] if name in known else int(rows_of([name], case.n, case.locator)[0])
        for name in names
    ]


def _from_json(text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("The verdicts are not valid JSON.", f"{error}.", "Mend the file.") from None
    if isinstance(document, dict):
        listed = document.get("audits", [document])
        parts = listed if isinstance(listed, list) else []
        document = [
            sample
            for part in parts
            if isinstance(part, dict)
            for sample in _listed(part.get("samples"))
        ]
    if not isinstance(document, list):
        return []
    found = []
    for item in document:
        if isinstance(item, dict) and (name := item.get("index", item.get("uri"))) is not None:
            found.append((str(name), str(item.get("verdict") or "")))
    return found


def _from_csv(text: str) -> list[tuple[str, str]]:
    rows = csv.reader(io.StringIO(text))
    try:
        header = [cell.strip().lower() for cell in next(rows, [])]
        column = next((header.index(name) for name in _IDS if name in header), None)
        if column is None or "verdict" not in header:
            return []
        said = header.index("verdict")
        return [
            (row[column].strip(), row[said])
            for row in rows
            if len(row) > max(column, said) and row[column].strip()
        ]
    except csv.Error as error:
        raise BadInput("The verdicts are not valid CSV.", f"{error}.", "Mend the file.") from None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
