"""``inspector trigger`` and ``stamp``: reconstruct triggers, search the data for them, put them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from inspector.case import Case, find_trigger, trigger_document, trigger_id, trigger_sentence
from inspector.cli.scan import investigating
from inspector.cli.selectors import CASE
from inspector.errors import BadInput, Cancelled
from inspector.places import user_plugins

SCREEN = ("universal-perturbation", "maximum-margin")
"""What ``--method screen`` stands for: cheap, all classes at once."""

METHODS_SCHEMA = "inspector/trigger-methods/1"


def _list_methods(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print every search and leave: a case is not needed for that."""
    if not asked:
        return
    from inspector.cli.plugins import catalogue

    rows = catalogue("methods")
    if ctx.params.get("as_json"):
        document = {"schema": METHODS_SCHEMA, "methods": rows}
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        ctx.exit()
    for row in rows:
        info = row["info"]
        if row["status"] != "ready" or not info:
            click.echo(f"{_line(row['id'])}  ({row['origin']})  BROKEN: {_line(row['cause'])}")
            continue
        source = f" {_line(info['reference'])}." if info["reference"] else ""
        click.echo(f"{row['id']}  {info['version']}  ({row['origin']})  {_line(info['title'])}")
        click.echo(f"    {_line(info['summary'])}{source}")
    click.echo(f"Drop your own into {user_plugins() / 'triggers'}")
    ctx.exit()


def _line(text: object) -> str:
    """Return what a plugin says as one line that a terminal shows as it is."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:300]


@click.command("trigger")
@CASE
@click.option(
    "--methods",
    "list_methods",
    is_flag=True,
    expose_value=False,
    callback=_list_methods,
    help="List every search, bundled or plugin, and stop; with --json as JSON. Needs no CASE.",
)
@click.option(
    "--method",
    "methods",
    help="neural-cleanse, universal-perturbation, maximum-margin, pixel, blended, or a plugin's; "
    "several separated by commas; `screen` for the cheap ones. By default neural-cleanse after both "
    "screens.",
)
@click.option(
    "--classes",
    help="Names or indices, separated by commas, each searched to the end; all when missing.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Search every class to the end. Without it all are screened and compared at an early point, "
    "and those that stand out go on.",
)
@click.option("--steps", type=click.IntRange(1), help="Optimisation steps per class at most.")
@click.option("--data-limit", type=click.IntRange(10), help="Images used for the search.")
@click.option(
    "--seeds", type=click.IntRange(1, 20), help="Search significant classes from so many seeds."
)
@click.option(
    "--source",
    help="Turn only pictures of this class (name or index), for backdoors that spare the others; "
    "`each` tries every class in turn, which takes as many times as long.",
)
@click.option(
    "--search", is_flag=True, help="Search the data for carriers; reconstruct first if need be."
)
@click.option("--trigger", "name", help="Which trigger to search for, such as 8:neural-cleanse.")
@click.option("--tag", help="Put this tag on the carriers.")
@click.option("--propose", is_flag=True, help="Propose the carriers for the tag `suspect`.")
@click.option("--json", "as_json", is_flag=True, is_eager=True, help="One JSON document.")
def trigger_command(
    case_path: Path,
    methods: str | None,
    classes: str | None,
    full: bool,
    steps: int | None,
    data_limit: int | None,
    seeds: int | None,
    source: str | None,
    search: bool,
    name: str | None,
    tag: str | None,
    propose: bool,
    as_json: bool,
) -> None:
    """Reconstruct triggers, and find the samples that carry them."""
    asked = {
        "methods": _method_names(methods),
        "steps": steps,
        "data_limit": data_limit,
        "seeds": seeds,
        "full": full or None,
    }
    settings: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if not search and (name is not None or tag is not None or propose):
        raise BadInput(
            "Only a search of the data finds carriers.",
            "--trigger, --tag and --propose belong to --search.",
            "Add --search.",
        )
    if tag is not None and propose:
        raise BadInput("Carriers are tagged or proposed, not both.", "", "Give --tag or --propose.")
    with Case.open(case_path) as case:
        if tag is not None and tag not in {kind.name for kind in case.tags.kinds}:
            known = ", ".join(kind.name for kind in case.tags.kinds)
            raise BadInput(f"There is no tag {tag[:60]!r}.", f"The case has: {known}.")
        wanted = _class_indices(case, classes)
        if source is not None:
            settings["source"] = _source(case, source)
        early = False
        with investigating(case) as investigation:
            # A search of the data alone takes what was reconstructed before.
            if not search or settings or wanted is not None or not _pictured(case):
                early = investigation.trigger(wanted, **settings)["ended_early"]
            finding = investigation.search_carriers(name) if search and not early else None
            early = early or bool(finding and finding["stopped_early"])
        said = _judge(case, finding, tag, propose) if finding else ""
        if search and finding is None:
            said = "The data were not searched."
        document = trigger_document(case)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        _print(document, said)
    if early:
        raise SystemExit(Cancelled.exit_code)


def _method_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        names += SCREEN if part == "screen" else [part]
    return list(dict.fromkeys(names))


def _pictured(case: Case) -> bool:
    return any(row.get("mask_array") for row in case.triggers())


def _judge(case: Case, finding: dict[str, Any], tag: str | None, propose: bool) -> str:
    """Tag or propose the carriers, and return the sentence that tells what was found."""
    trigger = finding["parameters"]["trigger"]
    rows = np.flatnonzero(np.asarray(case.array("trigger-search:carriers")))
    said = (
        f"{len(rows):,} samples carry the trigger {trigger}"
        f" ({finding['among_target']:,} of them with the label of its class)."
    )
    source = f"trigger search {trigger}"
    note = f"score > {finding['threshold']:g}"
    if tag is not None and len(rows):
        case.tags.apply(rows, tag, source=source, note=note)
        said += f" They are tagged as {tag}."
    elif propose:
        proposal = case.proposals.add(rows, "suspect", source=source, note=note)
        said += "" if proposal is None else f" Proposal {proposal.number} names them."
    return said


_NAMED = 6
"""Classes that are named beside a note."""

_EARLY = "*"
_LESS = "≤ "
_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    (
        "mask L1",
        lambda row: _bound(row) + _cell(row["mask_l1"], "{:.1f}") + _EARLY * _is_early(row),
    ),
    ("success", lambda row: _cell(row["success_rate"], "{:.0%}")),
    ("anomaly", lambda row: _cell(row["anomaly"], "{:.2f}")),
    ("p-value", lambda row: _cell(row["p_value"], "{:.2g}")),
    ("moved", lambda row: _cell((row.get("controls") or {}).get("moved"), "{:.0%}")),
    ("shuffled", lambda row: _cell((row.get("controls") or {}).get("shuffled"), "{:.0%}")),
    ("noise ±8", lambda row: _cell((row.get("baseline") or {}).get("success_rate"), "{:.0%}")),
    ("others", lambda row: _cell((row.get("baseline") or {}).get("others"), "{:.0%}")),
)


def _print(document: dict[str, Any], said: str) -> None:
    console = Console(highlight=False)
    methods = list(dict.fromkeys(str(row["method"]) for row in document["classes"]))
    shown: list[dict[str, Any]] = []
    for method in methods:
        rows = [row for row in document["classes"] if row["method"] == method]
        screened = method in SCREEN and not set(methods) <= set(SCREEN)
        if screened and not any(row["significant"] for row in rows):
            # With a search beside them screens only choose where it goes on.
            text = f"{method}: nothing stands out in this screen (--json has its numbers)"
            console.print(text, markup=False, soft_wrap=True)
            continue
        shown += rows
        console.print(_heading(method, rows), markup=False, soft_wrap=True)
        console.print(_table(rows, console.width))
        if any(map(_bound, rows)):
            console.print(
                f"{_LESS.strip()} compared early and, not standing out, searched no further"
            )
        if any(map(_is_early, rows)):
            console.print(f"{_EARLY} stopped early: works, might still shrink, not compared")
    console.print(trigger_sentence(document), markup=False, soft_wrap=True)
    if said:
        console.print(said, markup=False, soft_wrap=True)
    for line in _notes(shown):
        console.print(f"- {line}", markup=False, soft_wrap=True)
    caveats = [*document.get("caveats", []), *(document.get("search") or {}).get("caveats", [])]
    for caveat in caveats:
        console.print(f"- {caveat}", markup=False, soft_wrap=True)


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    """Return what the searches noted, each sentence once, with the classes that it was said of."""
    said: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for note in row.get("notes") or ():
            said.setdefault((str(row["method"]), str(note)), []).append(str(row["name"]))
    everywhere = len({row["index"] for row in rows})
    return [
        f"{method}: {note}" + ("" if len(names) == everywhere else f" ({_some(names)})")
        for (method, note), names in said.items()
    ]


def _some(names: list[str]) -> str:
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")


def _bound(row: dict[str, Any]) -> str:
    """Return what goes before the mask's size: of a class that was only screened it is a bound."""
    screening = row.get("screening")
    return _LESS if screening and not screening["kept"] else ""


def _is_early(row: dict[str, Any]) -> bool:
    return row.get("stopped_early") is True


def _heading(method: str, rows: list[dict[str, Any]]) -> str:
    """Name a method with what its anomaly index must exceed; searches of other classes differ."""
    known = [row["threshold"] for row in rows if row["threshold"] is not None]
    between = sorted({f"{value:.2f}" for value in known}, key=float)
    limit = f", significant from anomaly {' to '.join((*between[:1], *between[1:][-1:]))}"
    return f"{method}{limit if known else ''}"


def _table(rows: list[dict[str, Any]], width: int) -> Table:
    """Return one line for each class; columns without any value are left out.

    Numbers and headings are whole: names of classes give way.
    """
    cells = {title: [cell(row) for row in rows] for title, cell in _COLUMNS}
    shown = [title for title, values in cells.items() if any(values)]
    table = Table(box=None, pad_edge=False)
    taken = sum(2 + max(len(title), *map(len, cells[title])) for title in shown)
    room = max(5, width - taken)
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=room)
    for title in shown:
        table.add_column(title, justify="right", no_wrap=True)
    for at, row in enumerate(rows):
        table.add_row(
            str(row["name"]).replace("[", "\\["),
            *(cells[title][at] for title in shown),
            style="bold" if row["significant"] else None,
        )
    return table


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


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


def _source(case: Case, text: str) -> int | str:
    if text.strip() == "each" and "each" not in case.class_names:
        return "each"
    found = _class_indices(case, text) or []
    if len(found) != 1:
        raise BadInput(
            f"{text[:60]!r} is not one class.",
            "A source-specific search turns pictures of one class.",
            "Give a name or an index, or `each` for all in turn.",
        )
    return found[0]


@click.command("stamp")
@CASE
@click.option("--trigger", "name", help="Such as 8:neural-cleanse; the most telling by default.")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="New folder.")
@click.option("--count", type=click.IntRange(1, 64), default=16, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def stamp_command(
    case_path: Path, name: str | None, target: Path, count: int, seed: int, as_json: bool
) -> None:
    """Write a trigger as PNG: mask, pattern, and examples before and after, with the answers."""
    from inspector.export.stamped import check_target, example_rows, write_stamped

    check_target(target)
    with Case.open(case_path) as case:
        trigger = find_trigger(case, name)
        rows = example_rows(case, int(trigger["index"]), count, seed)
        with investigating(case) as investigation:
            stamped = investigation.stamp(rows, trigger_id(trigger))
        document = write_stamped(case, trigger, stamped, target)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    flipped = sum(row["after"]["index"] == trigger["index"] for row in document["examples"])
    click.echo(
        f"{flipped} of {len(document['examples'])} examples are answered with the trigger's class "
        f"once they carry it. Written to {target}."
    )
