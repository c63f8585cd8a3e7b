"""Manifests as tables: CSV, TSV or JSON lines that name an image and its label in every row.

The bytes of every record are kept, so that a cleaned manifest can be written without re-quoting,
re-ordering or re-formatting anything.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.errors import BadInput
from inspector.intake.datasets.names import escape_name, listing
from inspector.intake.limits import advice, limit, told

IMAGE_COLUMNS = ("file_name", "path", "image", "filename", "filepath", "image_path")
LABEL_COLUMNS = ("label", "labels", "class", "class_name")
SPLIT_COLUMNS = ("split",)

MAX_FIELD = 1 << 20
HEAD = 1 << 16
"""Bytes of a file that are looked at to tell whether it is a manifest."""

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class ManifestTable:
    """The rows of a manifest.

    Attributes
    ----------
    kind : str
        ``csv``, ``tsv`` or ``jsonl``.
    columns : tuple of str
        The columns of images, labels and (or empty) splits, as the manifest spells them.
    head : bytes
        What stands before the first record: byte order mark and header.
    records : list of bytes
        Each record as stored, line end included.
    images : list of str
        What each record says of its image.
    labels : list
        Numbers, text or None.
    splits : list of str
        Empty where there is no such column.
    """

    kind: str
    columns: tuple[str, str, str]
    head: bytes
    records: list[bytes]
    images: list[Any]
    labels: list[Any]
    splits: list[str]


def chosen_columns(names: Sequence[str]) -> tuple[str, str, str] | None:
    """Return the columns of images, labels and splits ("" without one), None without a pair."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.strip().lower(), name)
    image, label, split = (
        next((by_name[name] for name in wanted if name in by_name), "")
        for wanted in (IMAGE_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    return (image, label, split) if image and label else None


def manifest_kind(head: bytes) -> str:
    """Tell from the first bytes of a file whether it is a manifest.

    Returns
    -------
    str
        ``csv``, ``tsv``, ``jsonl``, or nothing.
    """
    text = head.removeprefix(_BOM).lstrip(b"\r\n \t") if head[:1] != b"\t" else head
    if not text or b"\0" in text:
        return ""
    line = text.split(b"\n", 1)[0]
    if line.startswith(b"{"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return ""
        return "jsonl" if isinstance(row, dict) and chosen_columns(list(row)) else ""
    delimiter = _delimiter(line)
    return "" if delimiter is None else "tsv" if delimiter == "\t" else "csv"


def parse_manifest(data: bytes, where: str) -> ManifestTable:
    """Read a manifest whose `manifest_kind` is known.

    Parameters
    ----------
    data : bytes
        The whole file, UTF-8.
    where : str
        The file, for messages.

    Raises
    ------
    BadInput
        A record is damaged, or there are too many or none.
    """
    kind = manifest_kind(data[:HEAD])
    if not kind:
        raise BadInput(
            f"{where} is no manifest of images and labels.",
            f"It needs a column {listing(list(IMAGE_COLUMNS[:3]))} and a column label.",
            "Add a header with these names in a copy.",
        )
    table = _json_lines(data, where) if kind == "jsonl" else _csv(data, kind, where)
    if not table.records:
        raise BadInput(
            f"{where} names no image.", "It has a header and no rows.", "Check the file."
        )
    return table


def _csv(data: bytes, kind: str, where: str) -> ManifestTable:
    body = data.removeprefix(_BOM)
    start = len(data) - len(body)
    lines = body.splitlines(keepends=True) if b"\r" in body and b"\n" not in body else None
    pieces = lines if lines is not None else body.split(b"\n")
    if lines is None:
        pieces = [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    header = next((number for number, line in enumerate(pieces) if line.strip()), 0)
    delimiter = _delimiter(pieces[header].rstrip(b"\r\n")) or ","
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(_decoded(pieces[header:], where, header), delimiter=delimiter, strict=True)
    try:
        names = next(reader)
    except (csv.Error, StopIteration) as error:
        raise _damaged(where, header + 1, str(error) or "it has no header") from None
    columns = chosen_columns(names)
    if columns is None:
        # A quote in the header can make it another one than its first line looked like.
        raise _damaged(where, header + 1, "its header names no column of images and labels")
    places = [names.index(name) if name else -1 for name in columns]
    used = header + reader.line_num
    head = data[: start + sum(map(len, pieces[:used]))]
    table = ManifestTable(kind, columns, head, [], [], [], [])
    try:
        for row in reader:
            end = header + reader.line_num
            record = pieces[used] if end == used + 1 else b"".join(pieces[used:end])
            used = end
            if not row:
                continue  # an empty line is no record; it does not survive an export
            _check_count(len(table.records), where)
            if len(row) != len(names):
                raise _damaged(
                    where, end, f"it has {len(row)} fields and the header has {len(names)}"
                )
            table.records.append(record)
            table.images.append(row[places[0]])
            table.labels.append(row[places[1]])
            if places[2] >= 0:
                table.splits.append(row[places[2]].strip())
    except csv.Error as error:
        raise _damaged(where, header + reader.line_num, str(error)) from None
    return table


def _json_lines(data: bytes, where: str) -> ManifestTable:
    body = data.removeprefix(_BOM)
    table: ManifestTable | None = None
    for number, line in enumerate(_lines(body), 1):
        if not line.strip():
            continue
        if len(line) > MAX_FIELD:
            raise _damaged(where, number, f"it has more than {MAX_FIELD:,} bytes")
        try:
            row = json.loads(line.decode("utf-8"), object_pairs_hook=_without_twins)
        except RecursionError:
            raise _damaged(where, number, "it is nested too deeply") from None
        except ValueError as error:
            raise _damaged(where, number, str(error)) from None
        if not isinstance(row, dict):
            raise _damaged(where, number, "it is no JSON object")
        if table is None:
            columns = chosen_columns(list(row))
            assert columns is not None  # manifest_kind has seen this line
            head = data[: len(data) - len(body)]
            table = ManifestTable("jsonl", columns, head, [], [], [], [])
        _check_count(len(table.records), where)
        image, label, split = table.columns
        if image not in row:
            raise _damaged(where, number, f"it has no {escape_name(image)!r}")
        table.records.append(line)
        table.images.append(row[image])
        table.labels.append(row.get(label))
        if split:
            table.splits.append(str(row.get(split, "")).strip())
    return table or ManifestTable("jsonl", ("", "", ""), b"", [], [], [], [])


def _lines(body: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = body.find(b"\n", start) + 1 or len(body)
        yield body[start:end]
        start = end


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("it names one key twice, and programs differ in which they read")
    return row


def _decoded(lines: list[bytes], where: str, before: int) -> Iterator[str]:
    for number, line in enumerate(lines, before + 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise _damaged(where, number, "it is no UTF-8") from None


def _delimiter(line: bytes) -> str | None:
    """Return what separates the columns of a header with an image and a label column."""
    try:
        text = line.decode("utf-8").strip("\r\n")
        for delimiter in _DELIMITERS:
            names = next(csv.reader([text], delimiter=delimiter), [])
            if len(names) > 1 and chosen_columns(names):
                return delimiter
    except (UnicodeDecodeError, csv.Error):
        pass
    return None


def _check_count(rows: int, where: str) -> None:
    if rows >= limit("manifest-rows"):
        raise BadInput(
            f"{where} has more than {told('manifest-rows')}.", "", advice("manifest-rows")
        )


def _damaged(where: str, line: int, how: str) -> BadInput:
    return BadInput(
        f"{where} is damaged at line {line:,}: {escape_name(how[:200])}.",
        "What a half-read manifest says cannot be trusted.",
        "Correct it in a copy, or fetch it again.",
    )
