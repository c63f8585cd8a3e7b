"""The last step of an export: looked through by the app, accounted for, and fixed by checksums.

The engine has filled the folder and has ended. What it read was hostile, so nothing is taken from
its word that can be seen on the disk: every file is hashed here, and the account of the case is
written here, by the process that owns it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector import __version__
from inspector.api import Control
from inspector.case.canonical import valid_unicode
from inspector.export.checking import check_lists, differs, plain_files
from inspector.export.filled import Filled
from inspector.export.new_file import write_chunks
from inspector.intake.datasets.evidence_file import sha256_of

MANIFEST = "manifest.sha256"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:inspector-forensics:cleaned-dataset:1"


@dataclass(frozen=True)
class Sealed:
    """Numbers of a finished folder.

    Attributes
    ----------
    files, size : int
        Files and bytes in it, lists included.
    digests : mapping of str to bytes
        SHA-256 by relative path, but for the manifest's own.
    manifest_sha256 : str
    """

    files: int
    size: int
    digests: Mapping[str, bytes]
    manifest_sha256: str


def seal(
    folder: Path,
    filled: Filled,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    *,
    role: str,
    originals: Path | None,
    notes: Sequence[str],
    provenance: Mapping[str, Any],
    control: Control,
) -> Sealed:
    """Check a filled folder and write ``provenance.json`` and ``manifest.sha256`` into it.

    Parameters
    ----------
    folder : Path
        Filled, still hidden, and written to by nobody else any more.
    filled : Filled
        What the engine says of it.
    rows : (ndarray, ndarray) of intp
        Rows of the source that are in it, and that are not.
    role : str
        "cleaned", "quarantine" or "lists".
    originals : Path or None
        Folder of the source: copies get the times of the files that they are copies of.
    notes : sequence of str
        Further sentences for the account.
    provenance : mapping
        The account of the case.
    control : Control
        Takes a cancel between chunks.

    Raises
    ------
    CaseError
        It is not what it should be.
    """
    kept, removed = rows
    if (filled.kept, filled.removed) != (len(kept), len(removed)):
        raise differs("it has other samples than were asked for")
    paths = plain_files(folder)
    expected = {"removed.csv": kept} if role == "quarantine" else {"kept.csv": kept}
    if role != "quarantine":
        expected["removed.csv"] = removed
    check_lists(folder, {name: list.tolist() for name, list in expected.items()})
    if originals is not None:
        _restore_times(folder, paths, originals)
    digests = {}
    for path in paths:
        digests[path] = sha256_of(folder, path, control.check)
    _write_provenance(folder, filled, digests, role, [*filled.notes, *notes], provenance)
    digests["provenance.json"] = sha256_of(folder, "provenance.json")
    size = _write_manifest(folder, digests)
    control.check()
    return Sealed(len(digests) + 1, size, digests, sha256_of(folder, MANIFEST).hex())


def _restore_times(folder: Path, paths: Sequence[str], originals: Path) -> None:
    """Give copies the times of their originals, which the engine has no right to set."""
    for path in paths:
        try:
            source = os.lstat(originals / path)
        except OSError:
            continue
        if source.st_size == os.lstat(folder / path).st_size:
            times = (source.st_mtime_ns, source.st_mtime_ns)
            os.utime(folder / path, ns=times, follow_symlinks=False)


def _write_provenance(
    folder: Path,
    filled: Filled,
    digests: Mapping[str, bytes],
    role: str,
    notes: Sequence[str],
    provenance: Mapping[str, Any],
) -> None:
    """Write ``provenance.json``, an in-toto Statement (v1) about the export, unsigned."""
    subjects = [
        {"name": valid_unicode(name), "digest": {"sha256": digests[name].hex()}}
        for name in sorted(digests, key=os.fsencode)
    ]
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "dataset", "digest": {"sha256": filled.digest}}, *subjects],
        "predicateType": PREDICATE,
        "predicate": {
            "inspector": __version__,
            "role": "quarantine" if role == "quarantine" else "cleaned",
            "format": filled.format,
            "source_digest": filled.source_digest,
            "samples": {
                "source": filled.kept + filled.removed,
                "kept": filled.kept,
                "removed": filled.removed,
            },
            "classes": [
                {"index": c.index, "name": c.name, "before": c.before, "after": c.after}
                for c in filled.classes
            ],
            "notes": list(notes),
            "case": dict(provenance),
        },
    }
    text = json.dumps(statement, indent=2, default=str) + "\n"
    write_chunks(folder / "provenance.json", [text.encode("ascii")])


def _write_manifest(folder: Path, digests: Mapping[str, bytes]) -> int:
    """Write ``manifest.sha256`` as ``sha256sum -c`` reads it; return the bytes of the whole."""
    ordered = sorted(digests, key=os.fsencode)
    lines = [_manifest_line(digests[path].hex(), os.fsencode(path)) for path in ordered]
    write_chunks(folder / MANIFEST, lines)
    return sum((folder / path).stat().st_size for path in (*ordered, MANIFEST))


def _manifest_line(digest: str, name: bytes) -> bytes:
    """Return a line in the format of GNU coreutils: odd names are escaped behind a backslash."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"
