"""Opening a case for a command, and saying what opening it has finished."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.case import Case


def open_case(path: Path, read_only: bool = False) -> Case:
    """Open a case as `Case.open` does; what it did about exports that were cut off is said on stderr.

    Raises
    ------
    CaseError
        See `Case.open`.
    """
    case = Case.open(path, read_only=read_only)
    for sentence in case.recovered:
        click.echo(sentence, err=True)
    return case
