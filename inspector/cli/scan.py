"""``inspector scan``: evidence in, ranked suspects out."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.api import VERDICTS
from inspector.case import Case, scan_document, verdict_sentence
from inspector.cli.opening import open_case
from inspector.cli.plugins import catalogue
from inspector.cli.progress import Reporter
from inspector.engine.client import Investigation, ScanOptions
from inspector.engine.client.options import layer_names
from inspector.engine.client.raised import raise_in_case
from inspector.engine.client.scan import with_checked_parameters
from inspector.intake.limits import LIMITS, parsed
from inspector.intake.models.spec import weights_file
from inspector.parameters import infos_of, read_settings, settings_said

_FINISHING = "Stopping: what was found so far is kept. Press Ctrl-C again to cancel instead."


def open_or_create(path: Path) -> Case:
    """Open a case that is there, or make it."""
    return open_case(path) if (path / "case.db").exists() else Case.create(path)


@contextmanager
def investigating(case: Case) -> Iterator[Investigation]:
    """Show progress, and turn Ctrl-C into an orderly end; the engine ends with the block.

    The first Ctrl-C has a job that can do so conclude with what it has; the second, or the first in any
    other job, cancels.
    """
    with Reporter() as reporter:
        investigation = Investigation(case, reporter)
        asked = threading.Event()

        def end(gently: bool) -> None:
            if gently and not asked.is_set() and investigation.finish():
                asked.set()
                reporter({"event": "log", "text": _FINISHING})
            else:
                investigation.cancel()

        def stop(signum: int, frame: Any) -> None:
            # In a thread: the signal may have interrupted code that holds the engine's lock.
            gently = signum == signal.SIGINT
            threading.Thread(target=end, args=(gently,), daemon=True).start()

        former: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            former = {sig: signal.signal(sig, stop) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield investigation
        finally:
            investigation.close()
            for sig, handler in former.items():
                signal.signal(sig, handler)


def print_scan(document: dict[str, Any], console: Console) -> None:
    """Print what a scan found for a person."""
    model = document["model"]
    accuracy = model.get("accuracy")
    console.print(
        f"Model: {model['architecture']}, {model['num_classes']} classes"
        + (f", right on {accuracy:.1%} of the labels" if accuracy is not None else ""),
        markup=False,
    )
    chosen = [row for row in model["candidates"] if row["chosen"]]
    if chosen:
        others = [row for row in model["candidates"] if not row["chosen"]][:3]
        after = ", ".join(f"{row['name']} {row['score']:.0%}" for row in others)
        console.print(
            f"Recognised by its tensors: {chosen[0]['name']} {chosen[0]['score']:.0%}"
            + (f"; next {after}" if after else "")
            + f". Settings measured: {len(model['tried'])}.",
            markup=False,
            soft_wrap=True,
        )
    if model["spec"]:
        console.print(f"Model spec: {model['spec']['file']}", markup=False, soft_wrap=True)
    for item in document["evidence"]:
        if item.get("contents"):
            console.print(
                f"{item['role'].capitalize()} file: {item['contents']['summary']}",
                markup=False,
                soft_wrap=True,
            )
    for item in document["checkpoints"]:
        console.print(
            f"Checkpoint {Path(item['path']).name}: {item['fitted']:.1%} of the labels fitted, mean "
            f"loss {item['mean_loss']:.3g}",
            markup=False,
            soft_wrap=True,
        )
    audited = any(row.get("verified") for row in document["classes"])
    more = ("verified", "p corrected", "selected") if audited else ()
    table = Table(
        *("class", "samples", "statistic", "p-value", *more, "verdict"), box=None, pad_edge=False
    )
    rows = sorted(
        document["classes"],
        key=lambda row: -(row["statistic"] if row["statistic"] is not None else float("-inf")),
    )
    for row in rows[:15]:
        table.add_row(
            *(
                str(row["name"]).translate({ord("["): "\\["}),
                f"{row['count']:,}",
                "" if row["statistic"] is None else f"{row['statistic']:.3g}",
                "" if row["p_value"] is None else f"{row['p_value']:.2g}",
                *(_audited(row) if audited else ()),
                str(row["verdict"]),
            )
        )
    console.print(table)
    if len(rows) > 15:
        console.print(f"… and {len(rows) - 15} more classes (--json has all)", markup=False)
    for finding in document["findings"]:
        if told := settings_said(finding):
            title = f"{finding['title']}, {told}: {finding['verdict']}"
            console.print(title, markup=False, soft_wrap=True)
    console.print(verdict_sentence(document), markup=False, soft_wrap=True)
    for caveat in document["caveats"]:
        console.print(f"- {caveat}", markup=False, soft_wrap=True)


def _model_file(model: Path | None, spec: Path | None) -> Path:
    """Return the model that is given, or the one that the spec names."""
    if model is not None:
        return model
    if spec is None:
        raise click.UsageError("Missing option '--model' (or a '--spec' that names the file).")
    return weights_file(spec)


def _audited(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return how many samples are verified, the corrected p-value, and how many are selected."""
    corrected, selected = row.get("p_value_holm"), row.get("selected")
    return (
        f"{row['verified']:,}" if row.get("verified") else "",
        "" if corrected is None else f"{corrected:.2g}",
        "" if selected is None else f"{selected:,}",
    )


def with_settings(options: ScanOptions, words: Sequence[str]) -> ScanOptions:
    """Return the options with what ``--set`` says, checked before a case is made for it."""
    rows = catalogue()
    settings = read_settings(words, infos_of(rows))
    return with_checked_parameters(replace(options, parameters=settings), rows)


def _names(value: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else None


def _list_limits(
    context: click.Context, option: click.Parameter, words: tuple[str, ...]
) -> tuple[str, ...]:
    """Explain the limits in place of a scan when ``list`` is among the words."""
    if "list" in words:
        table = Table(
            "limit", "value", "at most", "what it limits", "what it protects from", box=None
        )
        for known in LIMITS.values():
            values = (known.shown(known.default), known.shown(known.ceiling))
            table.add_row(known.name, *values, known.about, known.protects)
        Console(highlight=False).print(table)
        context.exit()
    return words


_PATH = click.Path(path_type=Path)


def _evidence_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--model", type=_PATH, help="Suspect model file; else the spec names it."),
            click.option("--data", type=_PATH, required=True, help="Its training data."),
            click.option("--split", help="Split of the data to scan; else the training split."),
            click.option("--case", "case_path", type=_PATH, required=True, help="Case folder."),
            click.option("--arch", help="Architecture by name; else recognised."),
            click.option("--classes", type=int, help="Number of classes; else read off."),
            click.option(
                "--spec", type=_PATH, help="Model spec (TOML): what it states is not measured."
            ),
            click.option("--reference", type=_PATH, help="A trusted dataset."),
            click.option("--verified", type=_PATH, help="Ids of samples verified one by one."),
            click.option(
                "--detectors", help="Ids, separated by commas; +id adds to the default set."
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="DETECTOR.PARAMETER=VALUE",
                help="Another value than the default; `inspector detectors` lists them. Repeatable.",
            ),
            click.option(
                "--checkpoint",
                "checkpoints",
                type=_PATH,
                multiple=True,
                help="Earlier checkpoint of its training run; repeat, oldest first.",
            ),
            click.option("--layer", help="Layer whose output is looked at."),
            click.option(
                "--layers",
                default="auto",
                show_default=True,
                help="Earlier layers to sweep over: auto, none, or names separated by commas.",
            ),
            click.option("--limit", type=int, help="Assess a random subset of this size."),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto"),
            click.option("--seed", type=int, default=0, show_default=True),
            click.option(
                "--raise-limit",
                "raised",
                multiple=True,
                metavar="NAME=VALUE",
                help="Let evidence be larger than usual; `list` explains the limits. Repeatable.",
                is_eager=True,
                callback=_list_limits,
            ),
            click.option(
                "--gradients", type=int, default=0, help="Dimensions of projected gradients."
            ),
            click.option(
                "--conv-gradients",
                type=int,
                default=0,
                help="Dimensions of gradient directions at the last convolutions, such as 512.",
            ),
        )
    ):
        command = option(command)
    return command


@click.command("scan")
@_evidence_options
@click.option("--fail-on", type=click.Choice(VERDICTS[1:]), help="Exit 1 at this verdict or above.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def scan_command(
    model: Path | None,
    data: Path,
    split: str | None,
    case_path: Path,
    arch: str | None,
    classes: int | None,
    spec: Path | None,
    reference: Path | None,
    verified: Path | None,
    detectors: str | None,
    settings: tuple[str, ...],
    layer: str | None,
    layers: str,
    limit: int | None,
    device: str,
    seed: int,
    gradients: int,
    conv_gradients: int,
    checkpoints: tuple[Path, ...],
    raised: tuple[str, ...],
    fail_on: str | None,
    as_json: bool,
) -> None:
    """Scan a suspect model and its training data into a case.

    The same command goes on where an interrupted one stopped.
    """
    options = ScanOptions(
        model=_model_file(model, spec),
        data=data,
        split=split,
        arch=arch,
        classes=classes,
        spec=spec,
        reference=reference,
        verified=verified,
        detectors=_names(detectors),
        layer=layer,
        layers=layer_names(layers),
        limit=limit,
        device=device,
        seed=seed,
        sketch=gradients,
        conv_sketch=conv_gradients,
        checkpoints=checkpoints,
    )
    wanted = parsed(raised)
    options.check(case_path)  # Before a folder is made for evidence that is not there.
    if settings:
        options = with_settings(options, settings)
    with open_or_create(case_path) as case:
        for sentence in raise_in_case(case, wanted):
            click.echo(sentence, err=True)
        with investigating(case) as investigation:
            investigation.scan(options)
        document = scan_document(case)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        print_scan(document, Console(highlight=False))
        click.echo(f"Case: {case_path}   (inspector open {case_path})")
    if fail_on and VERDICTS.index(document["verdict"]) >= VERDICTS.index(fail_on):
        raise SystemExit(1)
