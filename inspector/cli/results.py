"""``inspector ranking`` and ``map``: what a scanned case shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case import Case, ranking_document, write_ranking_csv
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating

_CASE = click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))


@click.command("ranking")
@_CASE
@click.option("--detector", help="Order by this detector instead of the combined ranking.")
@click.option("--top", type=click.IntRange(1), help="Only the first N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a header.")
@click.option("--explain", is_flag=True, help="Say what speaks against each sample.")
def ranking_command(
    case_path: Path,
    detector: str | None,
    top: int | None,
    as_json: bool,
    as_csv: bool,
    explain: bool,
) -> None:
    """Print the samples, most suspicious first."""
    with Case.open(case_path, read_only=True) as case:
        limit = top if top or as_json or as_csv else 20
        document = ranking_document(case, detector=detector, top=limit, why=explain)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=True, allow_nan=False))
    elif as_csv:
        write_ranking_csv(document, sys.stdout)
    else:
        _print_ranking(document["samples"])


def _print_ranking(samples: list[dict[str, Any]]) -> None:
    table = Table(
        "rank", "index", "where", "label", "predicted", "combined", "p-value", "tags", box=None
    )
    for rank, row in enumerate(samples, start=1):
        cells = [
            str(rank),
            str(row["index"]),
            str(row["uri"]),
            str(row["label_name"]),
            "" if row["predicted"] is None else str(row["predicted"]),
            "" if row["combined"] is None else f"{row['combined']:.4g}",
            "" if row["p_value"] is None else f"{row['p_value']:.2g}",
            " ".join(row["tags"]),
        ]
        table.add_row(*(cell.replace("[", "\\[") for cell in cells))
    console = Console(highlight=False)
    console.print(table)
    for rank, row in enumerate(samples, start=1):
        if row.get("why"):
            console.print(f"{rank:>4}  {'; '.join(row['why'])}", markup=False, soft_wrap=True)


@click.command("map")
@_CASE
@click.option("--neighbours", type=click.IntRange(2, 200), default=15, show_default=True)
def map_command(case_path: Path, neighbours: int) -> None:
    """Place the samples with UMAP, for the window's map."""
    with open_case(case_path) as case, investigating(case) as investigation:
        investigation.map(neighbours=neighbours)
    click.echo(f"The map is in {case_path}.")
