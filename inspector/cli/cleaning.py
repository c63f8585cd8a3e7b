"""``inspector verify-cleaning``: does a trigger survive a training without the tagged samples?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case.cleaning_document import (
    MODELS,
    RATES,
    STARTS,
    budget_sentence,
    cleaning_document,
    rate_text,
)
from inspector.cli.asking import asked_to_train
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating
from inspector.cli.selectors import CASE
from inspector.engine.client.cleaning import CleaningPlan

_ROWS = {
    "before": "the case's model",
    "cleaned": "trained without the tagged samples",
    "kept": "trained with them",
}


@click.command("verify-cleaning")
@CASE
@click.option(
    "--tag",
    "tags",
    multiple=True,
    default=("suspect",),
    show_default=True,
    help="Left out; repeat.",
)
@click.option("--trigger", help="Such as 8:neural-cleanse; the most telling by default.")
@click.option(
    "--start",
    type=click.Choice(STARTS),
    default="auto",
    show_default=True,
    help="From weights drawn anew (scratch), or the suspect's with a fresh last layer (weights).",
)
@click.option("--epochs", type=int, help="15 from scratch, 5 from the weights.")
@click.option("--budget", "seconds", type=float, help="Seconds that both trainings may take.")
@click.option("--images", default=2000, show_default=True, help="Random samples that are used.")
@click.option("--learning-rate", default=3e-3, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--yes", is_flag=True, help="Train without asking.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def verify_cleaning_command(
    case_path: Path, tags: tuple[str, ...], yes: bool, as_json: bool, **asked: Any
) -> None:
    """Train small copies without and with the tagged samples, and try the trigger on both.

    The evidence stays as it is; the result is kept in the case.
    """
    plan = CleaningPlan(tags=tuple(dict.fromkeys(tags)), **asked)

    def agree(budget: dict[str, Any]) -> bool:
        return asked_to_train(budget_sentence(budget), yes)

    with open_case(case_path) as case:
        with investigating(case) as investigation:
            key = investigation.verify_cleaning(plan, agree)
        document = cleaning_document(case, [key])
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        _print(document["checks"][0])


def _print(check: dict[str, Any]) -> None:
    table = Table("", "clean accuracy", "trigger works", "without trigger", box=None)
    for model in MODELS:
        table.add_row(_ROWS[model], *(rate_text(check[model][name]) for name in RATES))
    console = Console(highlight=False)
    console.print(table)
    console.print(check["sentence"], markup=False, soft_wrap=True)
    for caveat in check["caveats"]:
        console.print(f"- {caveat}", markup=False, soft_wrap=True)
