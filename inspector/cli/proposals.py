"""``inspector proposals``: what the machine would tag, and the analyst's answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from inspector.case import Case
from inspector.cli.opening import open_case
from inspector.cli.selectors import CASE, chosen, selecting

_NUMBER = click.argument("number", type=int)
_WHY = click.option("--why", default="", help="The reason, in your words.")


@click.group("proposals")
def proposals_command() -> None:
    """List, make, accept and reject proposals. They count for nothing until accepted."""


@proposals_command.command("list")
@CASE
@click.option("--state", type=click.Choice(["open", "accepted", "rejected"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON document, with the rows.")
def list_command(case_path: Path, state: str | None, as_json: bool) -> None:
    """Print the proposals, oldest first."""
    with Case.open(case_path, read_only=True) as case:
        found = case.proposals.all(state)
        if as_json:
            rows = [
                {**asdict(one), "rows": case.proposals.rows(one.number).tolist()} for one in found
            ]
            click.echo(json.dumps({"proposals": rows}, ensure_ascii=True))
            return
    for one in found:
        click.echo(
            f"{one.number:>5}  {one.state:<8}  {one.tag}  {one.count:,} samples  {one.source}"
        )
    if not found:
        click.echo("There are no proposals.")


@proposals_command.command("add")
@CASE
@click.option("--tag", "name", default="suspect", show_default=True)
@_WHY
@selecting
def add_command(case_path: Path, name: str, why: str, **selectors: Any) -> None:
    """Propose a tag for samples, to be judged later."""
    with open_case(case_path) as case:
        rows, source = chosen(case, **selectors)
        proposal = case.proposals.add(rows, name, source=source, note=why)
    if proposal is None:
        click.echo("No sample was chosen; nothing was proposed.")
    else:
        click.echo(f"Proposal {proposal.number}: {name} for {proposal.count:,} samples.")


@proposals_command.command("accept")
@CASE
@_NUMBER
@_WHY
def accept_command(case_path: Path, number: int, why: str) -> None:
    """Turn a proposal into tags; `inspector undo` takes it back."""
    with open_case(case_path) as case:
        entry = case.proposals.accept(number, why)
    tagged = 0 if entry is None else entry.details["count"]
    click.echo(f"Accepted proposal {number}: {tagged:,} samples tagged.")


@proposals_command.command("reject")
@CASE
@_NUMBER
@_WHY
def reject_command(case_path: Path, number: int, why: str) -> None:
    """Set a proposal aside; no tag changes."""
    with open_case(case_path) as case:
        case.proposals.reject(number, why)
    click.echo(f"Rejected proposal {number}.")
