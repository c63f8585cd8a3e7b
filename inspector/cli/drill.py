"""``inspector drill``: plant a known attack in copies of the evidence, and see if it is found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.case import Case
from inspector.case.drill_document import (
    drill_budget_sentence,
    drill_document,
    drill_sentence,
    write_drill_csv,
)
from inspector.cli.audit import class_index
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating
from inspector.engine.client.drill import (
    ARCHITECTURES,
    ATTACKS,
    PLACES,
    DrillPlan,
    grid,
    quietest_class,
)
from inspector.errors import BadInput, Cancelled

BUDGET_SCHEMA = "inspector/drill-budget/1"
_PATH = click.Path(path_type=Path)


class _CaseOrCommand(click.Group):
    """``drill CASE`` beside ``drill sweep CASE``; a case called "sweep" is given as ./sweep."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the plain command in front of a case."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["case", *args]
        return super().parse_args(ctx, args)


@click.group("drill", cls=_CaseOrCommand)
def drill_command() -> None:
    """Plant known attacks in copies of data and model, and see whether a scan finds them.

    \b
    inspector drill CASE [OPTIONS]         one attack; see: inspector drill case --help
    inspector drill sweep CASE [OPTIONS]   many; see: inspector drill sweep --help
    """


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that a drill and a sweep share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document."),
        click.option(
            "--only-budget", is_flag=True, help="Say what all of it would take, and do nothing."
        ),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
        click.option(
            "--images", default=2000, show_default=True, help="Random pictures that are used."
        ),
        click.option(
            "--epochs", default=5, show_default=True, help="Three times that from nothing."
        ),
        click.option(
            "--audit", default=0, show_default=True, help="Verified members of the target class."
        ),
        click.option("--place", type=click.Choice(PLACES), default="upper-left", show_default=True),
        click.option("--class", "class_text", help="Target class; the quietest one if missing."),
        click.option("--attack", type=click.Choice(ATTACKS), default="patch", show_default=True),
    ):
        command = option(command)
    return command


@drill_command.command("case")
@click.argument("case_path", metavar="CASE", type=_PATH)
@click.option("--size", type=int, help="Side of a patch in pixels; a ninth of the picture.")
@click.option("--opacity", type=float, help="Strength of the trigger, 0 to 1; the attack's own.")
@click.option("--rate", default=0.02, show_default=True, help="Share that is poisoned.")
@click.option("--learning-rate", default=3e-3, show_default=True)
@click.option("--architecture", type=click.Choice(ARCHITECTURES), default="own", show_default=True)
@_shared
def case_command(
    case_path: Path, class_text: str | None, only_budget: bool, as_json: bool, **asked: Any
) -> None:
    """Plant one attack, fine-tune a copy of the model, scan, and say whether it was found.

    The evidence stays as it is; the result is kept in the case.
    """
    with open_case(case_path) as case:
        plan = DrillPlan(target=_target(case, class_text), **asked)
        document = _drilled(case, [plan], only_budget, as_json)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    console = Console(highlight=False)
    for drill in document["drills"]:
        console.print(drill_sentence(drill), markup=False, soft_wrap=True)
        for caveat in drill["caveats"]:
            console.print(f"- {caveat}", markup=False, soft_wrap=True)


@drill_command.command("sweep")
@click.argument("case_path", metavar="CASE", type=_PATH, required=False)
@click.option("--demo", is_flag=True, help="Sweep the demonstration, made in --out.")
@click.option("--out", type=_PATH, help="Folder of the demonstration.")
@click.option("--sizes", default="2,4", show_default=True, help="Sides of a patch in pixels.")
@click.option("--opacities", default="0.3,1", show_default=True)
@click.option("--rates", default="0.005,0.02", show_default=True)
@click.option("--learning-rates", default="0.003", show_default=True)
@click.option("--architectures", default="own", show_default=True, help=", ".join(ARCHITECTURES))
@click.option("--plot", type=_PATH, help="Draw it into this PNG file.")
@click.option("--csv", "as_csv", is_flag=True, help="One line for each cell.")
@_shared
def sweep_command(
    case_path: Path | None,
    demo: bool,
    out: Path | None,
    class_text: str | None,
    plot: Path | None,
    as_csv: bool,
    only_budget: bool,
    as_json: bool,
    sizes: str,
    opacities: str,
    rates: str,
    learning_rates: str,
    architectures: str,
    **asked: Any,
) -> None:
    """Drill over trigger sizes, opacities, poison rates, learning rates and architectures.

    Every cell is kept in the case as soon as it is measured: the same command goes on where it was
    stopped.
    """
    if demo == (case_path is not None):
        raise BadInput("It is not said what to sweep.", "", "Give a CASE, or --demo.")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise BadInput(f"{plot} cannot be written.", "Its folder does not exist.")
    axes: dict[str, Sequence[Any]] = {
        "sizes": _numbers("--sizes", sizes, int),
        "opacities": _numbers("--opacities", opacities, float),
        "rates": _numbers("--rates", rates, float),
        "learning_rates": _numbers("--learning-rates", learning_rates, float),
        "architectures": [name.strip() for name in architectures.split(",")],
    }
    grid(DrillPlan(target=0, **asked), **axes)  # Refuses before anything is made.
    if case_path is None:
        case_path = _demonstration(out, int(asked["seed"]))
    with open_case(case_path) as case:
        base = DrillPlan(target=_target(case, class_text), **asked)
        document = _drilled(case, grid(base, **axes), only_budget, as_json)
    if plot is not None:
        from inspector.export.drill_plot import write_drill_plot

        write_drill_plot(document["drills"], plot)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    elif as_csv:
        write_drill_csv(document["drills"], sys.stdout)
    else:
        Console(highlight=False).print(_table(document["drills"]))


def _drilled(
    case: Case, plans: list[DrillPlan], only_budget: bool, as_json: bool
) -> dict[str, Any]:
    """Return what was measured, after saying what all of it takes; with ``only_budget`` end there."""
    told: dict[str, Any] = {"drills": 0, "kept": len(plans)}

    def agree(budget: dict[str, Any]) -> bool:
        told.update(budget)
        if not only_budget:
            click.echo(drill_budget_sentence(budget), err=True)
        return not only_budget

    with investigating(case) as investigation:
        try:
            keys = investigation.drill(plans, agree)
        except Cancelled:
            if not (only_budget and told["drills"]):
                raise
    if only_budget:
        _print_budget(told, as_json)
        click.get_current_context().exit()
    return drill_document(case, keys)


def _print_budget(budget: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"schema": BUDGET_SCHEMA, **budget}, indent=2, allow_nan=False))
    elif budget["drills"]:
        click.echo(drill_budget_sentence(budget))
    else:
        click.echo("All of it is in the case already: nothing would be trained.")


def _target(case: Case, text: str | None) -> int:
    return quietest_class(case) if text is None else class_index(case, text)


def _numbers(option: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(
            f"{option} {text[:60]!r} is no list of numbers.", "", f"Such as {option} 2,4."
        ) from None


def _demonstration(out: Path | None, seed: int) -> Path:
    """Return the case of the demonstration in a folder, made when it is not there."""
    import tempfile

    from inspector.cli.demo import make_evidence
    from inspector.cli.scan import open_or_create
    from inspector.engine.client import ScanOptions

    out = Path(tempfile.mkdtemp(prefix="inspector-drill-")) if out is None else out.absolute()
    path = out / "demo.case"
    if not path.exists():
        make_evidence(out, seed)
        evidence = out / "evidence"
        options = ScanOptions(
            model=evidence / "model.safetensors", data=evidence / "data", seed=seed
        )
        with open_or_create(path) as case, investigating(case) as investigation:
            investigation.scan(options)
    click.echo(f"Case: {path}", err=True)
    return path


def _table(drills: list[dict[str, Any]]) -> Table:
    table = Table(
        *("size", "opacity", "rate", "step", "network", "success", "accuracy", "AUROC"),
        *("at 1 % false", "rank", "verdict", "found"),
        box=None,
    )
    for drill in drills:
        own = drill["settings"]
        table.add_row(
            "" if own["size"] is None else str(own["size"]),
            f"{own['opacity']:g}",
            f"{own['rate']:.2%}",
            f"{own['learning_rate']:g}",
            own["architecture"],
            "" if drill["success"] is None else f"{drill['success']:.0%}",
            f"{drill['accuracy']:.1%}",
            f"{drill['auroc']:.3f}",
            f"{drill['tpr_at_1']:.0%}",
            str(drill["target_rank"] or ""),
            drill["verdict"],
            "yes" if drill["found"] else "no",
        )
    return table
