"""``inspector limits``: what could not have been seen, measured on planted groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case.limits_document import CANARY_WORDS, limits_document, limits_sentence
from inspector.cli.audit import class_index
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating


@click.command("limits")
@click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))
@click.option("--class", "class_text", help="Measure this class: name or index.")
@click.option(
    "--verified", type=click.IntRange(20), default=500, show_default=True, help="Size of the audit."
)
@click.option(
    "--runs", type=click.IntRange(1), default=10, show_default=True, help="Groups for each cell."
)
@click.option(
    "--canary",
    type=click.Choice([*CANARY_WORDS, "all"]),
    default="features",
    show_default=True,
    help="What stands for poison: samples of the class, of other classes, or gradients alone.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def limits_command(
    case_path: Path, class_text: str | None, verified: int, runs: int, canary: str, as_json: bool
) -> None:
    """Plant groups in the signals of a class and see which a scan finds.

    Without --class, print what was measured before.
    """
    with open_case(case_path, read_only=class_text is None) as case:
        if class_text is not None:
            label = class_index(case, class_text)
            with investigating(case) as investigation:
                for one in CANARY_WORDS if canary == "all" else [canary]:
                    investigation.limits(label, verified=verified, runs=runs, canary=one)
        document = limits_document(case)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    console = Console(highlight=False)
    if not document["classes"] and not document["canaries"]:
        console.print("Nothing was measured. Give a class: inspector limits CASE --class NAME")
    for row in (*document["classes"], *document["canaries"]):
        console.print(f"Class {row['name']}: {CANARY_WORDS[row['canary']]}", markup=False)
        console.print(_map(row))
        console.print(limits_sentence(row), markup=False, soft_wrap=True)


def _map(row: dict[str, Any]) -> Table:
    """Return shares against distances, each cell the power with its interval."""
    distances = sorted({cell["distance"] for cell in row["cells"]})
    table = Table(
        "share", *(f"{distance:g} sd" for distance in distances), "impossible below", "80 % from",
        box=None,
    )  # fmt: skip
    for one in row["by_share"]:
        mine = {cell["distance"]: cell for cell in row["cells"] if cell["share"] == one["share"]}
        cells = [
            f"{mine[d]['power']:.0%} ({mine[d]['low']:.0%}–{mine[d]['high']:.0%})"
            if d in mine
            else ""
            for d in distances
        ]
        far = "" if one["d80"] is None else f"{one['d80']:.1f}"
        table.add_row(f"{one['share']:.1%}", *cells, f"{one['impossible']:.1f}", far)
    return table
