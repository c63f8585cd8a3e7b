"""Which places a report may go to, and what the journal says of it."""

from __future__ import annotations

from pathlib import Path

from inspector.case import Case
from inspector.errors import BadInput
from inspector.export.single import check_place
from inspector.intake.datasets.names import shown

FORMATS = (".html", ".pdf", ".json")


def check_report_target(case: Case, target: Path) -> None:
    """Refuse a place that a report must not be written to.

    Raises
    ------
    BadInput
        The name does not end in one of `FORMATS`; see also `check_place`.
    """
    if target.suffix.lower() not in FORMATS:
        raise BadInput(
            f"{shown(target)} does not say what to write.",
            f"A report is one of {', '.join(FORMATS)}.",
            "Give a name with one of these endings.",
        )
    check_place(case, target)


def record_report(case: Case, target: Path, sha256: str, head: str) -> None:
    """Note in the journal what was written and which head it shows; a read-only case has none."""
    if not case.read_only:
        case.journal.append("reported", target=str(target), sha256=sha256, head=head)
