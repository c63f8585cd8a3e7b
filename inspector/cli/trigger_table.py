"""The triggers of a case as tables of a terminal, one for each method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from inspector.case import trigger_sentence
from inspector.case.shadow_document import shadows_sentence
from inspector.case.trigger_document import region_words

SCREEN = ("universal-perturbation", "maximum-margin")
"""What ``--method screen`` stands for: cheap, all classes at once."""

_NAMED = 6
"""Classes that are named beside a note."""

_NARROWEST = 5
"""Columns of a terminal that the name of a class has at least."""

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
    ("deviation", lambda row: _cell((row.get("shadows") or {}).get("deviation"), "{:.2f}")),
    ("p beside", lambda row: _cell((row.get("shadows") or {}).get("family_p_value"), "{:.2g}")),
    ("moved", lambda row: _cell((row.get("controls") or {}).get("moved"), "{:.0%}")),
    ("shuffled", lambda row: _cell((row.get("controls") or {}).get("shuffled"), "{:.0%}")),
    ("known", lambda row: _cell((row.get("retained") or {}).get("rate"), "{:.0%}") * _changes(row)),
    ("noise ±8", lambda row: _noise(row, "success_rate")),
    ("others", lambda row: _noise(row, "others")),
)
_KNOWN = (
    "known: samples that, leaving the class out, are answered as without the trigger; the higher, the "
    "more it goes past what the model sees"
)


def print_triggers(document: dict[str, Any], said: str) -> None:
    """Print a trigger document, and what was said of a search of the data."""
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
        for row in rows:
            if row["significant"] and region_words(row):
                text = f"{row['name']}: the trigger lies on {region_words(row)}, counted from 0"
                console.print(text, markup=False, soft_wrap=True)
        if any(map(_bound, rows)):
            console.print(
                f"{_LESS.strip()} compared early and, not standing out, searched no further"
            )
        if any(map(_changes, rows)):
            console.print(_KNOWN, soft_wrap=True)
        if any(map(_is_early, rows)):
            console.print(f"{_EARLY} stopped early: works, might still shrink, not compared")
    console.print(trigger_sentence(document), markup=False, soft_wrap=True)
    if said:
        console.print(said, markup=False, soft_wrap=True)
    if document.get("shadows"):
        console.print(f"- {shadows_sentence(document['shadows'])}", markup=False, soft_wrap=True)
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


def _changes(row: dict[str, Any]) -> bool:
    """Tell whether a trigger changes each picture in its own way; universal noise is none."""
    return row.get("form") == "transformation"


def _noise(row: dict[str, Any], name: str) -> str:
    return "" if _changes(row) else _cell((row.get("baseline") or {}).get(name), "{:.0%}")


def _heading(method: str, rows: list[dict[str, Any]]) -> str:
    """Name a method with what its anomaly index must exceed; searches of other classes differ."""
    beside = [row["shadows"]["threshold"] for row in rows if row.get("shadows")]
    if beside and beside[0] is not None:
        return f"{method}, significant from deviation {beside[0]:.2f} beside shadow networks"
    known = [row["threshold"] for row in rows if row["threshold"] is not None]
    between = sorted({f"{value:.2f}" for value in known}, key=float)
    limit = f", significant from anomaly {' to '.join((*between[:1], *between[1:][-1:]))}"
    return f"{method}{limit if known else ''}"


def _table(rows: list[dict[str, Any]], width: int) -> Table:
    """Return one line for each class; columns without any value are left out.

    Numbers and headings are whole: names of classes give way, and then the last columns, which
    ``--json`` has, too.
    """
    cells = {title: [cell(row) for row in rows] for title, cell in _COLUMNS}
    shown = [title for title, values in cells.items() if any(values)]
    table = Table(box=None, pad_edge=False)
    wide = {title: 2 + max(len(title), *map(len, cells[title])) for title in shown}
    while len(shown) > 1 and sum(wide[title] for title in shown) + _NARROWEST > width:
        shown.pop()
    room = max(_NARROWEST, width - sum(wide[title] for title in shown))
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
