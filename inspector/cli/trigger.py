"""``inspector trigger`` and ``stamp``: reconstruct triggers, search the data for them, put them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from inspector.case import Case, find_trigger, trigger_document, trigger_id
from inspector.case.shadow_document import shadow_budget_sentence
from inspector.cli.asking import asked_to_train
from inspector.cli.opening import open_case
from inspector.cli.scan import investigating
from inspector.cli.selectors import CASE
from inspector.cli.trigger_table import SCREEN, print_triggers
from inspector.errors import BadInput, Cancelled
from inspector.places import user_plugins

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
    help="neural-cleanse, universal-perturbation, maximum-margin, pixel, blended, feature-space, or "
    "a plugin's; several separated by commas; `screen` for the cheap ones. By default neural-cleanse "
    "after both screens.",
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
@click.option(
    "--shadows",
    type=int,
    help="Train so many clean look-alikes of the network and judge its classes beside theirs; 19 or "
    "more make a class significant. Says first what that takes.",
)
@click.option("--shadow-images", type=int, help="Samples to train them on at most.")
@click.option("--yes", is_flag=True, help="Train without asking.")
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
    shadows: int | None,
    shadow_images: int | None,
    yes: bool,
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
        "shadows": shadows,
        "shadow_images": shadow_images,
    }
    settings: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if not search and (name is not None or tag is not None or propose):
        raise BadInput(
            "Only a search of the data finds carriers.",
            "--trigger, --tag and --propose belong to --search.",
            "Add --search.",
        )
    if shadows is None and shadow_images is not None:
        raise BadInput("No shadow networks were asked for.", "", "Add --shadows 19.")
    if tag is not None and propose:
        raise BadInput("Carriers are tagged or proposed, not both.", "", "Give --tag or --propose.")
    with open_case(case_path) as case:
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
                early = investigation.trigger(
                    wanted, lambda it: asked_to_train(shadow_budget_sentence(it), yes), **settings
                )["ended_early"]
            finding = investigation.search_carriers(name) if search and not early else None
            early = early or bool(finding and finding["stopped_early"])
        said = _judge(case, finding, tag, propose) if finding else ""
        if search and finding is None:
            said = "The data were not searched."
        document = trigger_document(case)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
    else:
        print_triggers(document, said)
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
    with open_case(case_path) as case:
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
