"""``inspector rerun``: does the same come out again?"""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.cli.opening import open_case
from inspector.cli.progress import Reporter
from inspector.cli.selectors import CASE
from inspector.engine.client import Investigation
from inspector.engine.client.rerun import rerun


@click.command("rerun")
@CASE
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def rerun_command(case_path: Path, as_json: bool) -> None:
    """Repeat the scan of a case on the same evidence and compare the results.

    On the same machine everything must come out identical, on another one within the tolerances
    that are printed. Exit code 1 when something differs by more.
    """
    with open_case(case_path) as case, Reporter() as reporter:
        former = signal.getsignal(signal.SIGINT)
        try:
            document = rerun(case, reporter, _cancel_on_interrupt)
        finally:
            signal.signal(signal.SIGINT, former)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        _print(document, Console(highlight=False))
    if not document["same"]:
        raise SystemExit(1)


def _cancel_on_interrupt(investigation: Investigation) -> None:
    def stop(signum: int, frame: Any) -> None:
        # In a thread: the signal may have interrupted code that holds the engine's lock.
        threading.Thread(target=investigation.cancel, daemon=True).start()

    signal.signal(signal.SIGINT, stop)


def _print(document: dict[str, Any], console: Console) -> None:
    table = Table("what", "promised", "found", "", box=None)
    for row in document["rows"]:
        cells = (row["name"], row["promise"], row["found"])
        shown = [str(cell).replace("[", "\\[") for cell in cells]
        table.add_row(*shown, "" if row["same"] else "DIFFERS")
    console.print(table)
    environment = document["environment"]
    if not environment["then"]:
        console.print("The environment of the first time was not recorded.")
    elif environment["differs"]:
        said = f"Another environment than the first time: {', '.join(environment['differs'])}."
        console.print(said, markup=False, soft_wrap=True)
    else:
        console.print("Same machine, versions and threads as the first time.")
    for line in document["not_repeated"]:
        console.print(f"not repeated  {line}", markup=False, soft_wrap=True)
    word = "Everything came out as promised." if document["same"] else "Something differs."
    console.print(word)
    console.print(f"head {document['journal_head']}", markup=False)
