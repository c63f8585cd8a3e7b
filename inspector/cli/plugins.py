"""``inspector detectors`` and ``inspector plugin``: what looks at signals, and how to add to it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from inspector.engine.client import Engine
from inspector.parameters import bounds, cost, infos_of, said
from inspector.places import user_plugins


def catalogue(kind: str = "detectors") -> list[dict[str, Any]]:
    """Ask an engine for all "detectors" or "methods": a plugin is code, imported nowhere else."""
    with tempfile.TemporaryDirectory(prefix="inspector-") as folder:
        engine = Engine(Path(folder))
        engine.start()
        try:
            rows: list[dict[str, Any]] = engine.wait(engine.submit("catalogue"))[kind]
        finally:
            engine.close()
    return rows


@click.command("detectors")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def detectors_command(as_json: bool) -> None:
    """List every detector, bundled or plugin: what it needs, what it costs."""
    rows = catalogue()
    if as_json:
        click.echo(json.dumps({"detectors": rows}, indent=2, ensure_ascii=True))
        return
    infos = infos_of(rows)
    for row in rows:
        name = row["id"] or Path(row["file"] or "?").name
        if row["status"] != "ready":
            click.echo(f"{name}  ({row['origin']})  BROKEN: {row['cause']}")
            continue
        info = infos[name]
        price = cost(info, {}) or "no extra pass"
        click.echo(f"{name}  {info.version}  ({row['origin']})  {info.title}")
        click.echo(f"    {info.summary}")
        named = "" if info.by_default and not info.passes else f"; --detectors +{name}"
        click.echo(f"    needs {', '.join(info.needs)}; costs {price}{named}")
        for one in info.parameters:
            click.echo(
                f"    --set {name}.{one.name}={said(one.default)}  {bounds(one)}. {one.help}"
            )
    click.echo(f"Drop your own detectors into {user_plugins()}")


@click.group("plugin")
def plugin_command() -> None:
    """Write a detector of your own, and prove its contract."""


@plugin_command.command("new")
@click.argument("name")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Your plugin folder if missing."
)
def new_command(name: str, folder: Path | None) -> None:
    """Write a working detector called NAME."""
    from inspector.detectors.template import write_plugin

    file = write_plugin(name, folder or user_plugins())
    click.echo(f"Wrote {file}\nCheck it with: inspector plugin check {file}")


@plugin_command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check_command(file: Path) -> None:
    """Prove that FILE keeps the contract for detectors. This runs the file's code."""
    from inspector.detectors.template import check_plugin

    results = check_plugin(file)
    for result in results:
        mark = "ok  " if result.passed else "FAIL"
        click.echo(f"{mark}  {result.name}" + (f": {result.cause}" if result.cause else ""))
    failed = sum(not result.passed for result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(2)
