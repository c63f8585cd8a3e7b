"""``inspector ranking``, ``trigger`` and ``map``: what a scanned case shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case import (
    Case,
    ranking_document,
    trigger_document,
    trigger_sentence,
    write_ranking_csv,
)
from inspector.cli.scan import investigating
from inspector.errors import BadInput

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


@click.command("trigger")
@_CASE
@click.option("--classes", help="Names or indices, separated by commas; all when missing.")
@click.option("--steps", type=click.IntRange(1), help="Optimisation steps per class at most.")
@click.option("--data-limit", type=click.IntRange(10), help="Images used for the search.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def trigger_command(
    case_path: Path,
    classes: str | None,
    steps: int | None,
    data_limit: int | None,
    as_json: bool,
) -> None:
    """Reconstruct triggers with Neural Cleanse (Wang et al. 2019)."""
    settings = {
        key: value
        for key, value in (("steps", steps), ("data_limit", data_limit))
        if value is not None
    }
    with Case.open(case_path) as case:
        wanted = _class_indices(case, classes)
        with investigating(case) as investigation:
            investigation.trigger(wanted, **settings)
        document = trigger_document(case)
        caveats = case.get("trigger_summary", {}).get("caveats", [])
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    table = Table("class", "mask L1", "success", "anomaly", "threshold", "p-value", box=None)
    for row in document["classes"]:
        table.add_row(
            str(row["name"]).replace("[", "\\["),
            *(
                "" if row[key] is None else form.format(row[key])
                for key, form in (
                    ("mask_l1", "{:.1f}"),
                    ("success_rate", "{:.0%}"),
                    ("anomaly", "{:.2f}"),
                    ("threshold", "{:.2f}"),
                    ("p_value", "{:.2g}"),
                )
            ),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(trigger_sentence(document), markup=False, soft_wrap=True)
    for caveat in caveats:
        console.print(f"- {caveat}", markup=False, soft_wrap=True)


def _class_indices(case: Case, text: str | None) -> list[int] | None:
    if not text:
        return None
    names = list(case.class_names)
    found = []
    for part in (part.strip() for part in text.split(",")):
        if part in names:
            found.append(names.index(part))
        elif part.isascii() and part.isdigit():
            found.append(int(part))
        else:
            raise BadInput(
                f"There is no class {part!r}.",
                f"The dataset names: {', '.join(names[:20])}.",
                "Give names or indices.",
            )
    return found


@click.command("map")
@_CASE
@click.option("--neighbours", type=click.IntRange(2, 200), default=15, show_default=True)
def map_command(case_path: Path, neighbours: int) -> None:
    """Place the samples with UMAP, for the window's map."""
    with Case.open(case_path) as case, investigating(case) as investigation:
        investigation.map(neighbours=neighbours)
    click.echo(f"The map is in {case_path}.")
