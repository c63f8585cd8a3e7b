"""*Case ▸ Verify this case*: what ``inspector verify --record`` does, in the background."""

from __future__ import annotations

from typing import Any

from inspector.case import Case
from inspector.gui.background import BackgroundJob, Check, Emit


def start_verify(case: Case, emit: Emit) -> BackgroundJob:
    """Check a case; the event "done" has the document of ``verify --json`` in its result.

    The outcome is an act in the journal if the case may be written to.
    """

    def work(check: Check) -> dict[str, Any]:
        from inspector.case.integrity import verify_and_record
        from inspector.engine.client.evidence import hash_evidence, record

        hashed = hash_evidence(case, case.evidence(), emit, check)
        document = verify_and_record(case, hashed, check)
        if not case.read_only:
            record(case, hashed)
        return document

    return BackgroundJob("verify", work, emit)


def outcome(document: Any) -> tuple[str, str]:
    """Return kind and text of the message about a document."""
    if not isinstance(document, dict):
        return "error", "The case was not verified."
    done, left = document["checked"], document["not_checked"]
    head = f"Head of the journal: {document['journal_head']}."
    rest = f" Not checked: {'; '.join(line['what'] for line in left)}" if left else ""
    if document["whole"]:
        text = (
            f"Everything that was checked is as it was written: {done['entries']:,} journal "
            f"entries, {done['arrays']:,} arrays, {done['exports']:,} exports, "
            f"{done['evidence']:,} pieces of evidence. {head}{rest}"
        )
        return ("warning" if left else "done"), text
    first = document["differences"][0]
    count = len(document["differences"])
    word = "difference" if count == 1 else "differences"
    return "error", f"{count:,} {word}, the first in the {first['part']}: {first['what']} {head}"
