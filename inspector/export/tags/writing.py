"""Tags as FiftyOne, Hugging Face and spreadsheets take them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from inspector.case import Case, Evidence
from inspector.case.canonical import valid_unicode
from inspector.case.ranking import unformulated
from inspector.errors import BadInput

FORMATS = ("fiftyone", "huggingface", "csv")


def tags_as(case: Case, form: str) -> bytes:
    """Return the tags of a case as a file.

    Parameters
    ----------
    case : Case
        Scanned.
    form : str
        "fiftyone": JSON with the tagged samples, ``filepath``, ``tags`` and ``ground_truth`` each.
        "huggingface": JSON lines for ``metadata.jsonl`` of an image folder, all samples with
        ``file_name`` (``index`` where the samples are rows of an array), ``label`` and ``tags``.
        "csv": the tagged samples, a row for each tag with who, when and why.

    Raises
    ------
    BadInput
        Nothing was scanned.
    """
    if not case.n or not case.has_array("locator_offsets"):
        raise BadInput("The case has no samples yet.", "It was not scanned.", "Scan first.")
    if form == "fiftyone":
        return _fiftyone(case)
    return _huggingface(case) if form == "huggingface" else _table(case)


def _data(case: Case) -> Evidence | None:
    return next((item for item in case.evidence() if item.role == "data"), None)


def _label(case: Case, label: int) -> str | None:
    names = case.class_names
    return valid_unicode(names[label]) if 0 <= label < len(names) else None


def _fiftyone(case: Case) -> bytes:
    rows = np.flatnonzero(case.tags.tagged())
    data = _data(case)
    root = Path(data.path) if data is not None else Path()
    labels = np.asarray(case.array("labels"))
    scores = np.asarray(case.array("combined")) if case.has_array("combined") else None
    samples = []
    for row, uri, tags in zip(rows.tolist(), case.samples.locators(rows), case.tags.names(rows)):
        score = float(scores[row]) if scores is not None else float("nan")
        label = _label(case, int(labels[row]))
        samples.append(
            {
                "filepath": valid_unicode(_place(root, uri)),
                "tags": [valid_unicode(tag) for tag in tags],
                "ground_truth": None
                if label is None
                else {"_cls": "Classification", "label": label},
                "inspector_index": row,
                "inspector_combined": score if np.isfinite(score) else None,
            }
        )
    document = {
        "name": valid_unicode(case.name),
        "media_type": "image",
        "inspector_dataset": data.sha256 if data is not None else None,
        "inspector_journal_head": case.journal.head,
        "samples": samples,
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False).encode("ascii")


def _place(root: Path, uri: str) -> str:
    """Return where a sample lies; of a row whose path leads out of the data only where it stands.

    FiftyOne opens what it is told: a manifest could have it show any file of the analyst's.
    """
    if not _is_inside(uri):
        return f"{root}#{uri.replace('/', '%2F')}"
    return str(root / uri)


def _is_inside(uri: str) -> bool:
    return not uri.startswith("/") and ".." not in uri.split("/")


def _huggingface(case: Case) -> bytes:
    labels = np.asarray(case.array("labels")).tolist()
    # A place in an array is "file#row"; no loader knows it, the index does.
    recorded = case.get("dataset") or {}
    files = recorded.get("format") in ("image-folder", "manifest")
    lines = []
    locators = case.samples.locators(range(case.n))
    for row, (uri, tags) in enumerate(zip(locators, case.tags.names(range(case.n)))):
        named = files and _is_inside(uri)
        place: dict[str, Any] = {"file_name": valid_unicode(uri)} if named else {"index": row}
        fields = {
            **place,
            "label": _label(case, labels[row]),
            "tags": [valid_unicode(t) for t in tags],
        }
        lines.append(json.dumps(fields, ensure_ascii=True) + "\n")
    return "".join(lines).encode("ascii")


def _table(case: Case) -> bytes:
    rows = np.flatnonzero(case.tags.tagged()).tolist()
    labels = np.asarray(case.array("labels"))
    reasons = case.tags.reasons(rows)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(
        ["index", "uri", "label", "label_name", "tag", "user", "time", "source", "note"]
    )
    for row, uri in zip(rows, case.samples.locators(rows)):
        for reason in reasons.get(row, []):
            said = (reason.tag, reason.user, reason.time, reason.source, reason.note)
            label = int(labels[row])
            cells = (row, uri, label, _label(case, label), *said)
            writer.writerow(
                [
                    unformulated(valid_unicode(cell)) if isinstance(cell, str) else cell
                    for cell in cells
                ]
            )
    return file.getvalue().encode("utf-8")
