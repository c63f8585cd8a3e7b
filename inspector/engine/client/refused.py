"""Model files that were looked into and refused: kept in the case, since they are evidence too."""

from __future__ import annotations

import re
from pathlib import Path

from inspector.case import Case
from inspector.errors import RefusedFile

KIND = "model refused"

_SHA256 = re.compile("[0-9a-f]{64}")


def keep_refused(case: Case, model: Path, error: RefusedFile) -> None:
    """Keep which file was refused, why, and what it contains; the journal names it.

    The case has no model by this: another file may be scanned into it. What the engine says of the
    file is checked first, since it has read hostile bytes.

    Parameters
    ----------
    case : Case
        Open for writing.
    model : Path
        What was given as the model: a file, or a folder with the file in it.
    error : RefusedFile
    """
    seen = error.seen
    digest, size, contents = seen.get("sha256"), seen.get("size"), seen.get("contents")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest) or type(size) is not int:
        return
    contents = contents if isinstance(contents, dict) else None
    verdict = str(contents.get("verdict"))[:40] if contents else None
    value = {
        "path": str(model),
        "name": str(seen.get("name", model.name))[:1000],
        "sha256": digest,
        "size": size,
        "container": str(seen.get("container"))[:80],
        "reason": " ".join(part for part in (error.what, error.why) if part),
        "contents": contents,
    }
    case.keep(
        KIND, digest, value, path=str(model), sha256=digest, contents=verdict, reason=error.what
    )
