"""Look for tampering with what a case exported: its manifest, and every file that it lists.

The journal holds the SHA-256 of ``manifest.sha256``, and the manifest that of every other file, in
the format of GNU coreutils.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.case.inside import files_inside, open_inside
from inspector.case.journal import Entry

MANIFEST = "manifest.sha256"
_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_MOST = 1 << 30
_CHUNK = 1 << 22
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


@dataclass(frozen=True)
class Export:
    """An export that the journal tells of: its folder and the digest of its manifest."""

    folder: Path
    manifest_sha256: str
    seq: int


def exports_of(entries: Iterable[Entry], inside: Path) -> list[Export]:
    """Return the exports, the last one where several went to the same place.

    Parameters
    ----------
    entries : iterable of Entry
        The journal.
    inside : Path
        The case's own ``exports/``: what went there moved with the case.
    """
    found: dict[Path, Export] = {}
    for entry in entries:
        target, digest = entry.details.get("target"), entry.details.get("manifest_sha256")
        if isinstance(target, str) and isinstance(digest, str):
            folder = Path(target)
            if not folder.exists() and (inside / folder.name).is_dir():
                folder = inside / folder.name
            found[folder] = Export(folder, digest, entry.seq)
    return list(found.values())


def changed_export(export: Export, check: Callable[[], None]) -> Iterator[str]:
    """Yield what is not as it was exported, one sentence each; the folder must be there."""
    folder = export.folder
    where = f"The export {folder} (entry {export.seq})"
    try:
        with open_inside(folder, MANIFEST) as file:
            text = file.read(_MOST)
    except OSError as error:
        yield f"{where}: {MANIFEST} cannot be read: {error.strerror or error}."
        return
    if hashlib.sha256(text).hexdigest() != export.manifest_sha256:
        yield f"{where}: {MANIFEST} was changed after it was written."
    present = files_inside(folder) - {MANIFEST}
    for name, digest in _listed(text):
        check()
        present.discard(name)
        try:
            found = _sha256(folder, name, check)
        except OSError as error:
            yield f"{where}: {_shown(name)} cannot be read: {error.strerror or error}."
            continue
        if found != digest:
            yield f"{where}: {_shown(name)} was changed after it was written."
    for name in sorted(present):
        yield f"{where}: {_shown(name)} was added."


def _listed(manifest: bytes) -> Iterator[tuple[str, str]]:
    """Yield relative path and digest of every line that is one."""
    for line in manifest.split(b"\n"):
        match = _LINE.fullmatch(line)
        if match:
            escaped, digest, name = match.groups()
            if escaped:
                name = re.sub(rb"\\[\\nr]", lambda found: _ESCAPES[found[0]], name)
            yield os.fsdecode(name), digest.decode("ascii")


def _sha256(folder: Path, name: str, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with open_inside(folder, name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            check()
    return digest.hexdigest()


def _shown(name: str) -> str:
    return ascii(name) if not name.isprintable() else name
