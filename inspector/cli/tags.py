"""``inspector tag``, ``untag``, ``undo``, ``redo``, ``note``, ``tags``, ``history``: decisions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from inspector.case import Case
from inspector.case.canonical import valid_unicode
from inspector.cli.opening import open_case
from inspector.cli.selectors import CASE, chosen, selecting
from inspector.errors import BadInput


@click.command("tag")
@CASE
@click.option("--tag", "name", default="suspect", show_default=True)
@click.option("--why", "--note", "note", default="", help="The reason, in your words.")
@selecting
def tag_command(case_path: Path, name: str, note: str, **selectors: Any) -> None:
    """Put a tag on samples."""
    with open_case(case_path) as case:
        rows, source = chosen(case, **selectors)
        case.tags.apply(rows, name, source=source, note=note)
        count = case.tags.counts().get(name, 0)
    click.echo(f"Tagged {len(rows):,} samples as {name}; {count:,} carry it now.")


@click.command("untag")
@CASE
@click.option("--tag", "name", required=True)
@selecting
def untag_command(case_path: Path, name: str, **selectors: Any) -> None:
    """Take a tag off samples."""
    with open_case(case_path) as case:
        rows, _ = chosen(case, **selectors)
        case.tags.remove(rows, name)
        count = case.tags.counts().get(name, 0)
    click.echo(f"{count:,} samples carry {name} now.")


def _step(case_path: Path, act: str) -> None:
    with open_case(case_path) as case:
        entry = case.tags.undo() if act == "undo" else case.tags.redo()
    click.echo(f"Nothing to {act}." if entry is None else f"{act.capitalize()}: {entry.act}")


@click.command("undo")
@CASE
def undo_command(case_path: Path) -> None:
    """Take back the last tagging act."""
    _step(case_path, "undo")


@click.command("redo")
@CASE
def redo_command(case_path: Path) -> None:
    """Do again what was undone."""
    _step(case_path, "redo")


@click.command("note")
@CASE
@click.argument("text", required=False)
@click.option("--sample", "samples", type=int, multiple=True, help="Index; repeat for several.")
def note_command(case_path: Path, text: str | None, samples: tuple[int, ...]) -> None:
    """Write a note on samples, or on the case; without TEXT, print the notes.

    A later note on a sample stands in place of the earlier one; an empty one takes it back.
    """
    if text is None:
        with Case.open(case_path, read_only=True) as case:
            for note in case.notes.on_case():
                click.echo(f"{note.time}  {note.user}  case  {valid_unicode(note.text)}")
            for row, note in case.notes.on_samples().items():
                click.echo(f"{note.time}  {note.user}  {row}  {valid_unicode(note.text)}")
        return
    if not text.strip() and not samples:
        raise BadInput("A note on the case needs words.", "", "Give the text of the note.")
    with open_case(case_path) as case:
        entry = case.notes.add(text, samples)
    click.echo(f"Note kept as journal entry {entry.seq}.")


@click.command("tags")
@CASE
@click.option("--define", "name", help="Add a tag of your own, or change its key or colour.")
@click.option("--key", help="Digit that puts it on the selection in the window.")
@click.option("--colour", help="As #rrggbb.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def tags_command(
    case_path: Path, name: str | None, key: str | None, colour: str | None, as_json: bool
) -> None:
    """List the kinds of tags with their counts, or define one."""
    if name is None and (key is not None or colour is not None):
        raise BadInput("It is not said which tag.", "", "Name it with --define.")
    with open_case(case_path, read_only=name is None) as case:
        if name is not None:
            known = any(kind.name == name for kind in case.tags.kinds)
            (case.tags.change_kind if known else case.tags.add_kind)(name, key, colour)
        counts = case.tags.counts()
        rows = [
            {
                "name": kind.name,
                "key": kind.key,
                "colour": kind.colour,
                "count": counts[kind.name],
            }
            for kind in case.tags.kinds
        ]
    if as_json:
        click.echo(json.dumps({"tags": rows}, indent=2, ensure_ascii=True))
        return
    for row in rows:
        click.echo(f"{row['key'] or '-'}  {row['colour']}  {row['count']:>9,}  {row['name']}")


@click.command("history")
@CASE
@click.option("--top", type=click.IntRange(1), default=50, show_default=True, help="The newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, with all details.")
def history_command(case_path: Path, top: int, as_json: bool) -> None:
    """Print the journal, oldest first."""
    with Case.open(case_path, read_only=True) as case:
        if as_json:
            entries = [asdict(entry) for entry in case.journal.entries(limit=top)]
            document = {"entries": entries, "head": case.journal.head}
            click.echo(json.dumps(document, ensure_ascii=True, allow_nan=False))
            return
        for entry in case.journal.entries(limit=top):
            click.echo(f"{entry.seq:>5}  {entry.time}  {entry.user}  {entry.act}")
        click.echo(f"head {case.journal.head}")
