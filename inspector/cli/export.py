"""``inspector export``: a new dataset without the tagged samples."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from inspector.case import Case
from inspector.cli.progress import Reporter
from inspector.errors import BadInput
from inspector.export import export_case


@click.command("export")
@click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Path(path_type=Path), required=True)
@click.option(
    "--drop",
    multiple=True,
    help="Leave out samples with this tag; repeat or separate by commas. Default: suspect, poison.",
)
def export_command(case_path: Path, target: Path, drop: tuple[str, ...]) -> None:
    """Write the cleaned dataset in the format of its source. The evidence is never touched."""
    named = [name.strip() for text in drop for name in text.split(",") if name.strip()]
    with Case.open(case_path) as case:
        known = {kind.name for kind in case.tags.kinds}
        if unknown := [name for name in named if name not in known]:
            raise BadInput(
                f"No tag is called {unknown[0]!r}.",
                f"The case knows: {', '.join(sorted(known))}.",
                "Check the name given with --drop.",
            )
        wanted = named or ["suspect", "poison"]
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
        with Reporter() as reporter:
            result = export_case(case, mask, target, tags=wanted, on_event=reporter)
    click.echo(
        f"Kept {result.kept:,} samples, left out {result.removed:,}. "
        f"Verified by reading back: {target}"
    )
