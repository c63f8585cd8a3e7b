"""The command line: parse, call, print. Commands are imported when they are used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from inspector import __version__
from inspector.errors import InspectorError

_COMMANDS = {
    "open": "window",
    "demo": "demo",
    "scan": "scan",
    "audit": "audit",
    "limits": "limits",
    "drill": "drill",
    "ranking": "results",
    "trigger": "trigger",
    "stamp": "trigger",
    "verify-cleaning": "cleaning",
    "trace": "trace",
    "map": "results",
    "tag": "tags",
    "untag": "tags",
    "undo": "tags",
    "redo": "tags",
    "note": "tags",
    "tags": "tags",
    "proposals": "proposals",
    "history": "tags",
    "verify": "integrity",
    "relocate": "integrity",
    "rerun": "rerun",
    "export": "export",
    "report": "report",
    "import": "interchange",
    "export-tags": "interchange",
    "detectors": "plugins",
    "architectures": "architectures",
    "plugin": "plugins",
    "doctor": "doctor",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported on demand, so that the window starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"inspector.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InspectorError as error:
            click.echo(f"inspector: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("inspector: Cancelled.", err=True)
            ctx.exit(130)


@click.group(cls=_LazyGroup, invoke_without_command=True)
@click.version_option(__version__, prog_name="inspector")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Inspect poisoned training data and backdoored image classifiers.

    Without a command the window opens on its start page.
    """
    if ctx.invoked_subcommand is None:
        from inspector.cli.window import start_window

        ctx.exit(start_window(None))


if __name__ == "__main__":
    sys.exit(main())
