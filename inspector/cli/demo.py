"""``inspector demo``: a poisoned case made on the spot, to see what success looks like."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from inspector.case import Case, SampleTable, scan_document
from inspector.cli.progress import Reporter
from inspector.cli.scan import investigating, open_or_create, print_scan
from inspector.cli.window import has_screen, start_window
from inspector.engine.client import Engine, ScanOptions
from inspector.errors import BadInput


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; a temporary one if missing.")
@click.option(
    "--window/--no-window", default=None, help="Open the window; default: if a screen is there."
)
@click.option("--seed", type=int, default=0, show_default=True)
def demo_command(out: Path | None, window: bool | None, seed: int) -> None:
    """Plant a patch attack in real handwritten digits, scan them, and compare with the truth."""
    out = Path(tempfile.mkdtemp(prefix="inspector-demo-")) if out is None else out.absolute()
    if (out / "demo.case").exists():
        raise BadInput(
            f"{out} holds a demonstration already.",
            "Nothing is overwritten.",
            f"Open it (inspector open {out / 'demo.case'}), or give another --out.",
        )
    truth = make_evidence(out, seed)
    evidence = out / "evidence"
    options = ScanOptions(model=evidence / "model.safetensors", data=evidence / "data", seed=seed)
    with open_or_create(out / "demo.case") as case:
        with investigating(case) as investigation:
            investigation.scan(options)
        print_scan(scan_document(case), Console(highlight=False))
        _print_truth(case, truth)
    click.echo(f"Case: {out / 'demo.case'}")
    if window is None:
        window = has_screen()
    if window:
        raise SystemExit(start_window(out / "demo.case"))
    click.echo(f"Open it with: inspector open {out / 'demo.case'}")


def make_evidence(out: Path, seed: int) -> set[str]:
    """Let an engine plant and train; return the locators of the planted samples."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{out} cannot be made.", f"{error.strerror}.", "Give another --out."
        ) from None
    with Reporter() as reporter:
        # The engine may write into one folder only; for once that is where the evidence is made.
        engine = Engine(
            out, lambda event: reporter(event) if event["event"] == "progress" else None
        )
        engine.start()
        try:
            engine.wait(engine.submit("demo", folder=str(out), seed=seed))
        finally:
            engine.close()
    with (out / "truth.csv").open(newline="", encoding="utf-8") as file:
        return {row["uri"] for row in csv.DictReader(file) if row["poisoned"] == "1"}


def _print_truth(case: Case, planted: set[str]) -> None:
    """Compare the combined ranking with what was planted."""
    table = SampleTable(case)
    order = table.rank(by="combined")
    hits: NDArray[np.bool_] = np.array([case.locator(int(row)) in planted for row in order])
    count = int(hits.sum())
    ranks = np.flatnonzero(hits)
    # Share of (planted, other) pairs in the right order: the area under the ROC curve.
    wrong = int((ranks - np.arange(count)).sum())
    area = 1 - wrong / (count * (len(hits) - count))
    click.echo(
        f"Planted truth: {count} of {len(hits):,} samples carry the patch. "
        f"{int(hits[:count].sum())} of them are among the first {count} of the ranking "
        f"(area under the ROC curve {area:.3f})."
    )
