"""``inspector audit``: draw random samples of a class, take verdicts on them, show what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case import Case
from inspector.cli.opening import open_case
from inspector.engine.client.audit import audit_of, draw, judge
from inspector.engine.client.audit_files import audit_document, read_verdicts, write_audit_csv
from inspector.errors import BadInput

_PATH = click.Path(path_type=Path)


@click.command("audit")
@click.argument("case_path", metavar="CASE", type=_PATH)
@click.option("--class", "class_text", help="Name or index of the class.")
@click.option("--draw", "size", type=int, help="Draw this many random samples; again for more.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--import", "source", type=_PATH, help="CSV or JSON with verdicts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="The drawn samples, to fill in verdicts.")
def audit_command(
    case_path: Path,
    class_text: str | None,
    size: int | None,
    seed: int,
    source: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Verify a random sample of a class, which p-values and "high" verdicts rest on.

    Draw a list, review it here or elsewhere, import the verdicts (clean, poison, mislabelled,
    unsure), then scan again. Without options every audit of the case is listed.
    """
    if as_csv and class_text is None:
        raise BadInput("It is not said which class to list.", "", "Add --class NAME.")
    with open_case(case_path, read_only=size is None and source is None) as case:
        label = None if class_text is None else class_index(case, class_text)
        if size is not None:
            if label is None:
                raise BadInput("It is not said which class to draw.", "", "Add --class NAME.")
            draw(case, label, size, seed)
        if source is not None:
            _take(case, source, label)
        document = audit_document(case, label)
    rows = document["audits"]
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    elif as_csv:
        write_audit_csv(rows[0]["samples"] if rows else [], sys.stdout)
    elif size is not None:
        _print_drawn(rows[0], size, case_path)
    else:
        _print_audits(rows, imported=source is not None)


def class_index(case: Case, text: str) -> int:
    """Return the class that a name or an index names.

    Raises
    ------
    BadInput
        No class is called so.
    """
    names = list(case.class_names)
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(names):
        return int(text)
    raise BadInput(
        f"There is no class {text[:60]!r}.",
        f"The dataset names: {', '.join(names[:20])}.",
        "Give a name or an index.",
    )


def _take(case: Case, source: Path, label: int | None) -> None:
    """Keep the verdicts of a file; without a class each goes to the audit of its label."""
    verdicts = read_verdicts(source, case)
    labels = case.array("labels")
    by_class: dict[int, dict[int, str]] = {}
    for row, verdict in verdicts.items():
        mine = int(labels[row]) if label is None else label
        by_class.setdefault(mine, {})[row] = verdict
    for mine in by_class:
        audit_of(case, mine)  # A label beyond the names is refused before anything is kept.
    with case.transaction():
        for mine, given in by_class.items():
            judge(case, mine, given)


def _print_drawn(row: dict[str, Any], size: int, case_path: Path) -> None:
    console = Console(highlight=False)
    latest = row["samples"][-row["draws"][-1]["count"] :]
    if len(latest) < size:
        console.print(f"The class has only {len(latest):,} samples left to draw.", markup=False)
    for sample in latest[:20]:
        console.print(f"{sample['index']:>8}  {sample['uri']}", markup=False, soft_wrap=True)
    if len(latest) > 20:
        console.print(f"… and {len(latest) - 20:,} more (--csv or --json has all).", markup=False)
    console.print(
        f"Drawn: {row['drawn']:,} of {row['members']:,} samples of {row['name']} "
        f"(seed {row['draws'][-1]['seed']}). {row['resolution']}",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"Review them in the window (Audit), or: inspector audit {case_path} --class "
        f"{row['index']} --csv > list.csv, fill in the verdicts, and --import it.",
        markup=False,
        soft_wrap=True,
    )


def _print_audits(rows: list[dict[str, Any]], imported: bool) -> None:
    console = Console(highlight=False)
    if not rows:
        console.print(
            "No audit was drawn. Start with the class that stands out: "
            "inspector audit CASE --class NAME --draw 500",
            markup=False,
            soft_wrap=True,
        )
        return
    table = Table("class", "drawn", "reviewed", "poison", "wrong label", "prevalence", box=None)
    for row in rows:
        share, counts = row["prevalence"], row["verdicts"]
        table.add_row(
            str(row["name"]).replace("[", "\\["),
            f"{row['drawn']:,} of {row['members']:,}",
            f"{row['reviewed']:,}",
            f"{counts['poison']:,}",
            f"{counts['mislabelled']:,}",
            f"{share['estimate']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
            if row["reviewed"]
            else "",
        )
    console.print(table)
    for row in rows:
        for line in (row["resolution"], *row["warnings"]):
            console.print(f"{row['name']}: {line}", markup=False, soft_wrap=True)
    if imported:
        console.print(
            "Scan again with the same command for p-values; signals are kept.", markup=False
        )
