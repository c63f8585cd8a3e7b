"""What ``inspector verify`` says: whether a case, its exports and its evidence are as recorded.

The shape is a contract: ``resources/schema/verify.schema.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import inspector
from inspector.case.canonical import valid_unicode
from inspector.case.database import Damaged
from inspector.case.evidence import Evidence
from inspector.case.folder import Case
from inspector.errors import CaseError

SCHEMA = "inspector/verify/1"
_NOTED = 20
"""Differences that the journal names one by one."""


@dataclass(frozen=True)
class Hashed:
    """What became of hashing one piece of evidence.

    Attributes
    ----------
    item : Evidence
    sha256 : str
        Its digest now; empty when it could not be read.
    seen : str
        Its fingerprint from before.
    why : str
        Why it could not be read.
    missing : bool
        It cannot be reached: nothing is known of its bytes.
    """

    item: Evidence
    sha256: str = ""
    seen: str = ""
    why: str = ""
    missing: bool = False


def verify_document(
    case: Case,
    hashed: Sequence[Hashed] | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Return what is not as it was written, as ``verify --json`` prints it.

    Parameters
    ----------
    case : Case
        Open, for reading is enough.
    hashed : sequence of Hashed, optional
        The evidence, from `inspector.engine.client.evidence.hash_evidence`; not checked when None.
    check : callable
        Called between chunks; may raise to stop.
    """
    differences = [{"part": part, "what": what} for part, what in case.differences(check)]
    skipped = []
    exports = case.exported()
    for export in exports:
        if not export.reachable:
            skipped.append({"part": "export", "what": f"{export.place} cannot be reached."})
    for one in hashed or ():
        name = f"The {one.item.role} {one.item.path}"
        if one.missing:
            skipped.append({"part": "evidence", "what": f"{name}: {one.why}"})
        elif one.why:
            what = f"{name} was changed: it can no longer be read. {one.why}"
            differences.append({"part": "evidence", "what": what})
        elif one.sha256 != one.item.sha256:
            what = (
                f"{name} was changed: its SHA-256 is {one.sha256}, recorded is {one.item.sha256}."
            )
            differences.append({"part": "evidence", "what": what})
    if hashed is None:
        skipped.append({"part": "evidence", "what": "The evidence was not hashed."})
    return _document(
        case.path,
        differences,
        skipped,
        {
            "entries": case.journal.next_seq - 1,
            "arrays": _counted(case),
            "exports": sum(export.reachable for export in exports),
            "evidence": sum(not one.missing for one in hashed or ()),
        },
        case.journal.head,
    )


def _counted(case: Case) -> int:
    try:
        return len(case.arrays())
    except CaseError:
        return 0  # Named among the differences.


def verify_and_record(
    case: Case, hashed: Sequence[Hashed] | None, check: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Return `verify_document`, and note the outcome in the journal if it may be written to."""
    document = verify_document(case, hashed, check)
    if not case.read_only:
        case.journal.append(
            "verified",
            whole=document["whole"],
            head=document["journal_head"],
            checked=document["checked"],
            differences=[line["what"] for line in document["differences"][:_NOTED]],
        )
    return document


def damage_document(path: Path, error: Damaged) -> dict[str, Any]:
    """Return the document for a case whose database cannot be opened any more."""
    differences = [{"part": "database", "what": f"{error.what} {error.why}"}]
    checked = {"entries": 0, "arrays": 0, "exports": 0, "evidence": 0}
    return _document(path, differences, [], checked, None)


def _document(
    path: Path,
    differences: list[dict[str, str]],
    skipped: list[dict[str, str]],
    checked: dict[str, int],
    head: str | None,
) -> dict[str, Any]:
    for line in (*differences, *skipped):
        line["what"] = valid_unicode(line["what"])
    return {
        "schema": SCHEMA,
        "inspector": inspector.__version__,
        "case": valid_unicode(str(path)),
        "journal_head": head,
        "whole": not differences,
        "differences": differences,
        "checked": checked,
        "not_checked": skipped,
    }
