"""The options that name samples on the command line: a ranking's top, a list, a rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from inspector.case import Case, SampleTable, parse_filter
from inspector.engine.client.verified import read_ids, rows_of
from inspector.errors import BadInput

Command = TypeVar("Command", bound=Callable[..., Any])

CASE = click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))

_OPTIONS = (
    click.option("--from-ranking", "ranking", help="combined, or a detector's id."),
    click.option("--top", type=click.IntRange(1), help="How many of the ranking."),
    click.option("--ids", type=click.Path(path_type=Path), help="File with indices or names."),
    click.option("--where", help='Rule as in the window\'s filter: "combined > 0.9".'),
)


def selecting(command: Command) -> Command:
    """Give a command the options that `chosen` takes as ``**selectors``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen(
    case: Case,
    ranking: str | None = None,
    top: int | None = None,
    ids: Path | None = None,
    where: str | None = None,
) -> tuple[NDArray[np.intp], str]:
    """Return the rows that the options name, and what chose them.

    Raises
    ------
    BadInput
        None or several of them are given, or one that cannot be used.
    """
    if sum(option is not None for option in (ranking, ids, where)) != 1:
        raise BadInput(
            "It is not said which samples.",
            "Exactly one of --from-ranking, --ids and --where names them.",
            "For example: --from-ranking combined --top 50",
        )
    if ids is not None:
        return rows_of(read_ids(ids), case.n, case.locator), f"list {ids.name}"
    table = SampleTable(case)
    if where is not None:
        mask = parse_filter(where)(table)
        return np.flatnonzero(mask), f"threshold rule {where}"
    assert ranking is not None
    if top is None:
        raise BadInput("--from-ranking needs --top.", "A ranking has no end by itself.", "--top 50")
    if ranking not in table.columns:
        raise BadInput(
            f"There is no ranking {ranking!r}.",
            f"There are: {', '.join(sorted(table.columns))}.",
            "Scan first, or choose one of these.",
        )
    ranked = table.rank(by=ranking)
    scored = np.isfinite(np.asarray(table.columns[ranking], float)[ranked])
    return np.asarray(ranked[scored][:top], np.intp), f"ranking {ranking}, top {top}"
