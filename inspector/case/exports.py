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
FILE_ACT = "reported"
"""The act that writes one file and names its SHA-256; all others write a folder."""
_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_MOST = 1 << 30
_CHUNK = 1 << 22
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


@dataclass(frozen=True)
class Export:
    """An export that the journal tells of.

    Attributes
    ----------
    place : Path
        A folder with a manifest, or one file: a report.
    sha256 : str
        Of the manifest, or of the file.
    seq : int
        Number of the journal entry.
    is_file : bool
    """

    place: Path
    sha256: str
    seq: int
    is_file: bool = False

    @property
    def reachable(self) -> bool:
        """Whether it lies where it was written."""
        return os.path.isfile(self.place) if self.is_file else os.path.isdir(self.place)


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
        details, is_file = entry.details, entry.act == FILE_ACT
        target = details.get("target")
        digest = details.get("sha256" if is_file else "manifest_sha256")
        if isinstance(target, str) and isinstance(digest, str):
            place = Path(target)
            if not os.path.exists(place) and os.path.exists(inside / place.name):
                place = inside / place.name
            found[place] = Export(place, digest, entry.seq, is_file)
    return list(found.values())


def is_whole(folder: Path, manifest_sha256: str) -> bool:
    """Tell whether a folder has this manifest and just the files that it lists, unhashed."""
    try:
        # Hashed before it is parsed: what is not ours may be long.
        if _sha256(folder, MANIFEST, lambda: None) != manifest_sha256:
            return False
        with open_inside(folder, MANIFEST) as file:
            text = file.read(_MOST)
    except OSError:
        return False
    return files_inside(folder) == {name for name, _ in _listed(text)} | {MANIFEST}


def changed_export(export: Export, check: Callable[[], None]) -> Iterator[str]:
    """Yield what is not as it was exported, one sentence each; it must be reachable."""
    if export.is_file:
        yield from _changed_file(export, check)
        return
    folder = export.place
    where = f"The export {folder} (entry {export.seq})"
    try:
        with open_inside(folder, MANIFEST) as file:
            text = file.read(_MOST)
    except OSError as error:
        yield f"{where}: {MANIFEST} cannot be read: {error.strerror or error}."
        return
    if hashlib.sha256(text).hexdigest() != export.sha256:
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


def _changed_file(export: Export, check: Callable[[], None]) -> Iterator[str]:
    where = f"The report {export.place} (entry {export.seq})"
    try:
        found = _sha256(export.place.parent, export.place.name, check)
    except OSError as error:
        yield f"{where} cannot be read: {error.strerror or error}."
        return
    if found != export.sha256:
        yield f"{where} was changed after it was written."


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
