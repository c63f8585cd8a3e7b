"""``inspector architectures``: what ``--arch`` and a spec's ``[architecture] name`` can say."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from inspector.engine.client import Engine
from inspector.places import user_plugins

FAMILIES = ("builtin", "torchvision", "plugin", "timm")

SCHEMA = "inspector/architectures/1"


def nameable_rows() -> list[dict[str, Any]]:
    """Ask an engine for every network: a plugin is code and is imported nowhere else."""
    with tempfile.TemporaryDirectory(prefix="inspector-") as folder:
        engine = Engine(Path(folder))
        engine.start()
        try:
            asked = engine.wait(engine.submit("architectures"))
        finally:
            engine.close()
    rows: list[dict[str, Any]] = asked["architectures"]
    return rows


@click.command("architectures")
@click.option("--family", type=click.Choice(FAMILIES), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def architectures_command(family: str | None, as_json: bool) -> None:
    """List every network that --arch or a spec can name, one on a line."""
    rows = [row for row in nameable_rows() if family in (None, row["family"])]
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "architectures": rows}, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        place = f"  ({row['origin']})" if row["family"] == "plugin" else ""
        broken = f"  BROKEN: {row['cause']}" if row["cause"] else ""
        click.echo(f"{row['name']:<{width}}  {row['family']}{place}{broken}")
    if family in (None, "timm") and not any(row["family"] == "timm" for row in rows):
        click.echo(
            "timm is not installed: pip install 'inspector-forensics[timm]' adds its networks"
        )
    if family in (None, "plugin"):
        click.echo(f"Drop builders of your own into {user_plugins()} (see plugins/README.md)")
