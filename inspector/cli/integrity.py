"""``inspector verify`` and ``relocate``: is everything what it was, and where is it now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from inspector.case import Case
from inspector.case.database import Damaged
from inspector.case.integrity import Hashed, damage_document, verify_and_record
from inspector.cli.opening import open_case
from inspector.cli.progress import Reporter
from inspector.engine.client.evidence import hash_evidence, record
from inspector.engine.client.evidence import relocate as relocate_evidence
from inspector.errors import CaseError

_CASE = click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))


@click.command("verify")
@_CASE
@click.option("--evidence/--no-evidence", default=True, help="Hash the evidence too (default).")
@click.option("--record", "keep", is_flag=True, help="Note the outcome in the journal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def verify_command(case_path: Path, evidence: bool, keep: bool, as_json: bool) -> None:
    """Check a case: journal, derived arrays, exports and evidence.

    Writes nothing into the case unless --record is given. Exit code 1 when something differs.
    """
    try:
        with open_case(case_path, read_only=not keep) as case:
            hashed = _hashed(case) if evidence else None
            document = verify_and_record(case, hashed)
            if keep and not case.read_only:
                record(case, hashed or ())
    except Damaged as error:
        document = damage_document(case_path, error)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        _print(document)
    if not document["whole"]:
        raise SystemExit(1)


def _hashed(case: Case) -> list[Hashed] | None:
    try:
        items = case.evidence()
    except CaseError:
        return None  # Its record is damaged, which the document says.
    with Reporter() as reporter:
        return hash_evidence(case, items, reporter)


def _print(document: dict[str, Any]) -> None:
    for line in document["differences"]:
        click.echo(f"DIFFERS  {line['part']}: {line['what']}")
    for line in document["not_checked"]:
        click.echo(f"not checked  {line['part']}: {line['what']}")
    done = document["checked"]
    click.echo(
        f"Checked {done['entries']:,} journal entries, {done['arrays']:,} derived arrays, "
        f"{done['exports']:,} exports and {done['evidence']:,} pieces of evidence."
    )
    if document["whole"]:
        click.echo("Everything that was checked is as it was written.")
    else:
        first = document["differences"][0]
        click.echo(f"The first difference is in the {first['part']}: {first['what']}")
    if document["journal_head"]:
        click.echo(f"head {document['journal_head']}")


@click.command("relocate")
@_CASE
@click.option("--evidence", "name", required=True, help="model, data, reference, or its path.")
@click.option("--to", "path", type=click.Path(path_type=Path), required=True)
def relocate_command(case_path: Path, name: str, path: Path) -> None:
    """Say where evidence lies now; its bytes must be those that were recorded."""
    with open_case(case_path) as case, Reporter() as reporter:
        item = relocate_evidence(case, name, path, reporter)
    click.echo(f"The {item.role} lies at {item.path}; its SHA-256 is the recorded one.")
