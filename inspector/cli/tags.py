"""``inspector tag``, ``untag``, ``undo``, ``redo`` and ``history``: the analyst's decisions."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from inspector.case import Case, SampleTable
from inspector.engine.client.verified import read_ids, rows_of
from inspector.errors import BadInput

_CASE = click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))


def _rows(
    case: Case, ranking: str | None, top: int | None, ids: Path | None
) -> tuple[NDArray[np.intp], str]:
    """Return the rows that the options name, and what chose them."""
    if (ranking is None) == (ids is None):
        raise BadInput(
            "It is not said which samples.",
            "Exactly one of --from-ranking and --ids names them.",
            "For example: --from-ranking combined --top 50",
        )
    if ids is not None:
        return rows_of(read_ids(ids), case.n, case.locator), f"list {ids.name}"
    if top is None:
        raise BadInput("--from-ranking needs --top.", "A ranking has no end by itself.", "--top 50")
    table = SampleTable(case)
    if ranking not in table.columns:
        raise BadInput(
            f"There is no ranking {ranking!r}.",
            f"There are: {', '.join(sorted(table.columns))}.",
            "Scan first, or choose one of these.",
        )
    ranked = table.rank(by=ranking)
    scored = np.isfinite(np.asarray(table.columns[ranking], float)[ranked])
    return np.asarray(ranked[scored][:top], np.intp), f"ranking {ranking}, top {top}"


_SELECTORS = (
    click.option("--from-ranking", "ranking", help="combined, or a detector's id."),
    click.option("--top", type=click.IntRange(1), help="How many of the ranking."),
    click.option("--ids", type=click.Path(path_type=Path), help="File with indices or names."),
)


@click.command("tag")
@_CASE
@click.option("--tag", "name", default="suspect", show_default=True)
@click.option("--note", default="", help="Why.")
@_SELECTORS[0]
@_SELECTORS[1]
@_SELECTORS[2]
def tag_command(
    case_path: Path, name: str, note: str, ranking: str | None, top: int | None, ids: Path | None
) -> None:
    """Put a tag on samples."""
    with Case.open(case_path) as case:
        rows, source = _rows(case, ranking, top, ids)
        case.tags.apply(rows, name, source=source, note=note)
        count = case.tags.counts().get(name, 0)
    click.echo(f"Tagged {len(rows):,} samples as {name}; {count:,} carry it now.")


@click.command("untag")
@_CASE
@click.option("--tag", "name", required=True)
@_SELECTORS[0]
@_SELECTORS[1]
@_SELECTORS[2]
def untag_command(
    case_path: Path, name: str, ranking: str | None, top: int | None, ids: Path | None
) -> None:
    """Take a tag off samples."""
    with Case.open(case_path) as case:
        rows, _ = _rows(case, ranking, top, ids)
        case.tags.remove(rows, name)
        count = case.tags.counts().get(name, 0)
    click.echo(f"{count:,} samples carry {name} now.")


def _step(case_path: Path, act: str) -> None:
    with Case.open(case_path) as case:
        entry = case.tags.undo() if act == "undo" else case.tags.redo()
    click.echo(f"Nothing to {act}." if entry is None else f"{act.capitalize()}: {entry.act}")


@click.command("undo")
@_CASE
def undo_command(case_path: Path) -> None:
    """Take back the last tagging act."""
    _step(case_path, "undo")


@click.command("redo")
@_CASE
def redo_command(case_path: Path) -> None:
    """Do again what was undone."""
    _step(case_path, "redo")


@click.command("history")
@_CASE
@click.option("--top", type=click.IntRange(1), default=50, show_default=True, help="The newest N.")
def history_command(case_path: Path, top: int) -> None:
    """Print the journal, oldest first."""
    with Case.open(case_path, read_only=True) as case:
        for entry in case.journal.entries(limit=top):
            click.echo(f"{entry.seq:>5}  {entry.time}  {entry.user}  {entry.act}")
        click.echo(f"head {case.journal.head}")
