"""``inspector import`` and ``inspector export-tags``: lists from and for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.opening import open_case
from inspector.cli.selectors import CASE
from inspector.engine.client.lists import FORMATS, read_suspects
from inspector.export.single import check_place, write_file
from inspector.export.tags import FORMATS as TAG_FORMATS
from inspector.export.tags import tags_as


@click.command("import")
@CASE
@click.option("--from", "source", type=click.Path(path_type=Path), required=True, help="The list.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option("--tag", "name", help="Propose this tag for all; otherwise the nearest of ours.")
@click.option("--accept", is_flag=True, help="Accept what is proposed at once: tags.")
def import_command(
    case_path: Path, source: Path, form: str, name: str | None, accept: bool
) -> None:
    """Read suspects from another program: index lists, cleanlab's issues, FiftyOne's tags."""
    with open_case(case_path) as case:
        found = read_suspects(case, source, form)
        with case.transaction():
            for group in found.groups:
                proposal = case.proposals.add(
                    group.rows,
                    name or group.tag,
                    source=f"{found.format} list {source.name}",
                    note=group.reason,
                )
                if proposal is None:
                    continue
                if accept and proposal.state == "open":
                    case.proposals.accept(proposal.number)
                verb = "Tagged" if accept else f"Proposal {proposal.number}:"
                click.echo(
                    f"{verb} {proposal.tag} for {proposal.count:,} samples ({group.reason})."
                )
    if not found.groups:
        click.echo("The list holds nothing against any sample.")
    if found.unmatched:
        click.echo(
            f"{len(found.unmatched):,} tagged samples of the list are not in this dataset, "
            f"the first is {found.unmatched[0]!r}.",
            err=True,
        )
    if found.groups and not accept:
        click.echo(f"Accept with: inspector proposals accept {case_path} NUMBER")


@click.command("export-tags")
@CASE
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="New file.")
@click.option("--format", "form", type=click.Choice(TAG_FORMATS), required=True)
def export_tags_command(case_path: Path, target: Path, form: str) -> None:
    """Write the tags for FiftyOne, Hugging Face or a spreadsheet."""
    with open_case(case_path) as case:
        check_place(case, target)
        digest = write_file(target, tags_as(case, form))
        if not case.read_only:
            case.journal.append("tags exported", target=str(target), format=form, sha256=digest)
        tagged = int(case.tags.tagged().sum())
    click.echo(f"{tagged:,} tagged samples: {target}")
    click.echo(f"SHA-256 {digest}")
