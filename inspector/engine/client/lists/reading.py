"""Open a suspect list, tell its format, and hand it to its reader."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.engine.client.lists.cleanlab import cleanlab_suspects, is_cleanlab_header
from inspector.engine.client.lists.fiftyone import fiftyone_suspects, is_fiftyone
from inspector.engine.client.lists.indices import index_suspects
from inspector.engine.client.lists.suspects import SuspectList
from inspector.errors import BadInput
from inspector.intake.datasets.names import shown
from inspector.intake.hashing import read_regular

FORMATS = ("auto", "indices", "cleanlab", "fiftyone")
MAX_BYTES = 256 << 20


def read_suspects(case: Case, path: Path, form: str = "auto") -> SuspectList:
    """Read a list of suspects that another program made.

    Parameters
    ----------
    case : Case
        Scanned; the list must be about its dataset.
    path : Path
        JSON, NumPy, CSV or text. Nothing in it is ever unpickled.
    form : str
        One of `FORMATS`; "auto" tells by name and content.

    Raises
    ------
    BadInput
        Unreadable, of no known format, or about other data.
    """
    if not case.n:
        raise BadInput(
            "There are no samples to name yet.", "The case was not scanned.", "Scan first."
        )
    content, _ = read_regular(path, MAX_BYTES)
    name = shown(path.name)
    if content[:2] == b"PK" or content[:1] == b"\x80":
        raise BadInput(
            f"{name} is a pickle (written by torch.save, say), which is not opened here.",
            "A pickle can run programs, and a list of numbers needs none.",
            "Convert it where you trust it: json.dump(torch.load(FILE, weights_only=True), …).",
        )
    if content.startswith(b"\x93NUMPY"):
        _expect(form, "indices", name)
        return index_suspects(case, content, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(
            f"{name} is no list that can be read.", "It is not text, and no NumPy file.", _KNOWN
        ) from None
    document = _json(text, name) if text.lstrip().startswith(("[", "{")) else None
    found = form if form != "auto" else _told(text, document)
    if found == "fiftyone":
        if document is None:
            raise BadInput(f"{name} is not JSON.", "FiftyOne's tags are.", _KNOWN)
        return fiftyone_suspects(case, document, name)
    if found == "cleanlab":
        return cleanlab_suspects(case, text, name)
    return index_suspects(case, document if document is not None else text, name)


_KNOWN = "Known are: indices (JSON, .npy, text, CSV), cleanlab's issues as CSV, FiftyOne's JSON."


def _expect(form: str, found: str, name: str) -> None:
    if form not in ("auto", found):
        raise BadInput(f"{name} is not of the format {form}.", "It is a NumPy file.", _KNOWN)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not valid JSON.", f"{error}.", "Mend the file.") from None


def _told(text: str, document: Any) -> str:
    if document is not None:
        return "fiftyone" if is_fiftyone(document) else "indices"
    first = next(csv.reader(io.StringIO(text[:65536])), [])
    return "cleanlab" if is_cleanlab_header(first) else "indices"
