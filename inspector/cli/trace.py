"""``inspector trace``: from one picture to the training samples that taught its answer."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from inspector.case.tracing import trace_document, trace_sentences
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating
from inspector.cli.selectors import CASE


@click.command("trace")
@CASE
@click.option(
    "--image", type=click.Path(path_type=Path), help="A picture that the model answers wrongly."
)
@click.option("--index", type=click.IntRange(0), help="Or a sample of the data, counted from 0.")
@click.option(
    "--top", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="Samples that are named and unlearned.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def trace_command(
    case_path: Path, image: Path | None, index: int | None, top: int, as_json: bool
) -> None:
    """Find the training samples that taught the model one answer, and test that by unlearning.

    Without --image and --index, print the last trace.
    """
    asked = image is not None or index is not None
    with open_case(case_path, read_only=not asked) as case:
        if asked:
            with investigating(case) as investigation:
                investigation.trace(index=index, image=image, top=top)
        document = trace_document(case)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    console = Console(highlight=False)
    for sentence in trace_sentences(document):
        console.print(sentence, markup=False, soft_wrap=True)
    table = Table("sample", "score", box=None)
    for row in document["samples"][:20]:
        table.add_row(str(row["index"]), f"{row['score']:.3f}")
    console.print(table)
