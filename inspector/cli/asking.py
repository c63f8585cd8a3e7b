"""The question whether what a job will take is worth it."""

from __future__ import annotations

import signal
import sys

import click

from inspector.errors import BadInput


def asked_to_train(said: str, yes: bool) -> bool:
    """Say what it will take, and ask.

    Ctrl-C at the question is a no: while nothing runs there is nothing to end or to keep.

    Parameters
    ----------
    said : str
        The budget.
    yes : bool
        Whether that was answered beforehand.

    Raises
    ------
    BadInput
        There is nobody to ask.
    """
    click.echo(said, err=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise BadInput("Nobody can be asked whether to train.", "", "Add --yes.")
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm("Train?", err=True)
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return False
    finally:
        signal.signal(signal.SIGINT, former)
