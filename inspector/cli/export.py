"""``inspector export``: a new dataset without the tagged samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from inspector.case import Case
from inspector.cli.opening import open_case
from inspector.cli.progress import Reporter
from inspector.engine.client.exporting import export_case
from inspector.errors import BadInput
from inspector.export import ERROR_RATE, collateral_preview, leftovers, remove_leftovers


@click.command("export")
@click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Path(path_type=Path), help="New folder.")
@click.option(
    "--drop",
    multiple=True,
    help="Leave out samples with this tag; repeat or separate by commas. Default: suspect, poison.",
)
@click.option(
    "--quarantine",
    type=click.Path(path_type=Path),
    help="A second new folder, for the samples that are left out.",
)
@click.option("--list-only", is_flag=True, help="Lists for a training pipeline, no data.")
@click.option("--preview", is_flag=True, help="Say what would go; write nothing.")
@click.option(
    "--error-rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=ERROR_RATE,
    show_default=True,
    help="For the preview: chance with which a good sample may pass for a suspect one.",
)
@click.option("--json", "as_json", is_flag=True, help="The preview as one JSON document.")
@click.option("--remove-leftovers", is_flag=True, help="Delete what a crashed export left there.")
def export_command(
    case_path: Path,
    target: Path | None,
    drop: tuple[str, ...],
    quarantine: Path | None,
    list_only: bool,
    preview: bool,
    error_rate: float,
    as_json: bool,
    remove_leftovers: bool,
) -> None:
    """Write the cleaned dataset in the format of its source. The evidence is never touched."""
    _refuse_contradictions(target, quarantine, list_only, preview, as_json)
    with open_case(case_path, read_only=preview) as case:
        wanted = _tags(case, drop)
        mask = _dropped(case, wanted, case_path)
        if preview:
            document = collateral_preview(case, mask, tags=wanted, error_rate=error_rate)
            _print_preview(document, as_json)
            return
        assert target is not None
        _tidy([path for path in (target, quarantine) if path is not None], remove_leftovers)
        with Reporter() as reporter:
            result = export_case(
                case,
                mask,
                target,
                tags=wanted,
                quarantine=quarantine,
                lists_only=list_only,
                on_event=reporter,
            )
        head = case.journal.head
    click.echo(
        f"Kept {result.kept:,} samples, left out {result.removed:,}. "
        f"Verified by reading back: {target}"
    )
    if result.quarantine is not None:
        click.echo(f"In quarantine {result.quarantine.kept:,} samples: {quarantine}")
    click.echo(f"manifest.sha256 {result.manifest_sha256}")
    click.echo(f"Journal head {head}")


def _refuse_contradictions(
    target: Path | None, quarantine: Path | None, list_only: bool, preview: bool, as_json: bool
) -> None:
    if target is None and not preview:
        raise BadInput(
            "It is not said where to.", "An export makes a new folder.", "Give --to FOLDER."
        )
    if list_only and quarantine is not None:
        raise BadInput("--list-only writes no data, --quarantine does.", "", "Give one of the two.")
    if target is not None and quarantine is not None and target.resolve() == quarantine.resolve():
        raise BadInput(
            "--to and --quarantine name the same folder.",
            "What was removed would be among what was kept.",
            "Give two names.",
        )
    if as_json and not preview:
        raise BadInput("--json belongs to --preview.", "", "Add --preview, or leave --json out.")


def _tags(case: Case, drop: tuple[str, ...]) -> list[str]:
    named = [name.strip() for text in drop for name in text.split(",") if name.strip()]
    known = {kind.name for kind in case.tags.kinds}
    if unknown := [name for name in named if name not in known]:
        raise BadInput(
            f"No tag is called {unknown[0]!r}.",
            f"The case knows: {', '.join(sorted(known))}.",
            "Check the name given with --drop.",
        )
    return named or ["suspect", "poison"]


def _dropped(case: Case, wanted: list[str], case_path: Path) -> NDArray[np.bool_]:
    mask = np.zeros(case.n, bool)
    for name in wanted:
        mask |= case.tags.mask(name)
    if not mask.any():
        raise BadInput(
            f"No sample carries {' or '.join(wanted)}.",
            "The export would be a plain copy.",
            "Tag samples first, for example: "
            f"inspector tag {case_path} --from-ranking combined --top 50 --tag suspect",
        )
    return mask


def _tidy(targets: list[Path], remove: bool) -> None:
    """Say what crashed exports left beside the targets, and delete it when asked to."""
    for target in targets:
        if remove:
            for folder in remove_leftovers(target):
                click.echo(f"Deleted {folder}", err=True)
        else:
            for folder in leftovers(target):
                click.echo(
                    f"An earlier export stopped half-way and left {folder}; "
                    "--remove-leftovers deletes it.",
                    err=True,
                )


def _print_preview(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False))
        return
    console = Console(highlight=False)
    samples = document["samples"]
    console.print(
        f"{samples['removed']:,} of {samples['before']:,} samples would be left out "
        f"({' or '.join(document['tags'])}).",
        markup=False,
        soft_wrap=True,
    )
    table = Table("class", "before", "left out", "after", "share", "good, est.", box=None)
    for row in document["classes"]:
        estimate = row["estimated_false"]
        table.add_row(
            str(row["name"]).replace("[", "\\["),
            f"{row['before']:,}",
            f"{row['removed']:,}",
            f"{row['after']:,}",
            f"{row['share_before']:.1%} → {row['share_after']:.1%}",
            "" if estimate is None or not row["removed"] else f"{estimate:.1f}",
        )
    console.print(table)
    classes = {row["class_index"] for row in document["clusters"] if row["removed"]}
    touched = [row for row in document["clusters"] if row["class_index"] in classes]
    if touched:
        console.print("By the two parts into which activation clustering splits a class:")
        parts = Table("class", "part", "before", "left out", "after", box=None)
        for row in touched:
            parts.add_row(
                str(row["class_name"]).replace("[", "\\["),
                row["cluster"],
                *(f"{row[key]:,}" for key in ("before", "removed", "after")),
            )
        console.print(parts)
    for line in (document["false_removals"]["sentence"], *document["notes"]):
        console.print(line, markup=False, soft_wrap=True)
