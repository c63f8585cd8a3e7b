"""What the colours of the map mean: one packed colour per sample, and the legend that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.gui import theme
from inspector.gui.plain import plain
from inspector.gui.view_state import as_numbers
from inspector.gui.workspace import Workspace

_NO_VALUE = theme.shade("#4a515e")
_UNTAGGED = theme.shade("#59626f")


@dataclass(frozen=True)
class Entry:
    """One line of a legend: a name, its colour, and which samples it stands for."""

    name: str
    colour: str
    code: int


@dataclass(frozen=True, eq=False)
class Colouring:
    """Colours of all samples and their meaning.

    Attributes
    ----------
    title : str
        What the colour shows.
    colours : ndarray, shape (n,), uint32
        Packed colours.
    entries : tuple of Entry
        The categories; empty when the colour shows a number.
    codes : ndarray, shape (n,), int
        Category of each sample, as in ``Entry.code``; empty when the colour shows a number.
    low, high : float
        Numbers at the two ends of the scale.
    """

    title: str
    colours: NDArray[np.uint32]
    entries: tuple[Entry, ...] = ()
    codes: NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int32))
    low: float = 0.0
    high: float = 0.0


def choices(workspace: Workspace) -> list[tuple[str, str]]:
    """Return what a map can be coloured by, as pairs of name and text."""
    columns = {} if workspace.table is None else workspace.table.columns
    answer = [("label", "label")]
    if "predicted" in columns:
        answer += [("predicted", "predicted"), ("agreement", "label ≠ predicted")]
    answer.append(("tag", "tag"))
    return answer + [(name, plain(name)) for name in as_numbers(columns)]


def colouring(workspace: Workspace, name: str) -> Colouring:
    """Return the colours of all samples by one of `choices`; by label for an unknown name."""
    table = workspace.table
    assert table is not None
    if name == "tag":
        return _by_tag(workspace)
    if name == "agreement" and "predicted" in table.columns:
        differs = (table.columns["label"] != table.columns["predicted"]).astype(np.int32)
        entries = (
            Entry("label = predicted", theme.shade("#5d7186"), 0),
            Entry("label ≠ predicted", theme.shade("#ffb347"), 1),
        )
        return _by_category("label ≠ predicted", differs, entries)
    values = table.columns.get(name)
    if values is not None and name not in ("label", "predicted"):
        return _by_number(plain(name), np.asarray(values, np.float64))
    column = name if name in table.columns else "label"
    return _by_category(column, table.columns[column], class_entries(workspace.class_names))


def class_entries(names: Sequence[str]) -> tuple[Entry, ...]:
    """Return one entry per class."""
    colours = theme.class_colours(len(names))
    return tuple(
        Entry(plain(name, 60), colour, code)
        for code, (name, colour) in enumerate(zip(names, colours))
    )


def _by_tag(workspace: Workspace) -> Colouring:
    kinds = [] if workspace.case is None else workspace.case.tags.kinds
    codes = workspace.tag_code.astype(np.int32)
    codes[(codes < 0) & workspace.proposed] = len(kinds)
    entries = [Entry(plain(kind.name), kind.colour, code) for code, kind in enumerate(kinds)]
    entries.append(Entry("proposed", theme.PROPOSED, len(kinds)))
    entries.append(Entry("no tag", _UNTAGGED, -1))
    return _by_category("tag", codes, tuple(entries))


def _by_category(title: str, codes: NDArray[Any], entries: tuple[Entry, ...]) -> Colouring:
    top = max((entry.code for entry in entries), default=-1)
    # One place more on each side: codes below (no label, no tag) and above (a class without name).
    table = np.full(top + 3, theme.packed(_NO_VALUE), np.uint32)
    for entry in entries:
        table[entry.code + 1] = theme.packed(entry.colour)
    return Colouring(title, table[np.clip(codes, -1, top + 1) + 1], entries, codes)


def _by_number(title: str, values: NDArray[np.float64]) -> Colouring:
    """Colour from the median (dark) to the 99.9 % quantile (bright): the tail is what matters."""
    finite = np.isfinite(values)
    if not finite.any():
        return Colouring(title, np.full(values.shape, theme.packed(_NO_VALUE), np.uint32))
    low, high = (float(q) for q in np.quantile(values[finite], (0.5, 0.999)))
    if high <= low:
        low, high = float(values[finite].min()), float(values[finite].max())
    # Small p-values are the remarkable ones, so their scale runs the other way.
    if title == "p_value":
        low, high = 1.0, 0.0
    span = high - low or 1.0
    share = np.clip((np.where(finite, values, low) - low) / span, 0, 1)
    colours = theme.heat_table()[np.round(share * 255).astype(np.intp)]
    colours[~finite] = theme.packed(_NO_VALUE)
    return Colouring(title, colours, low=low, high=high)
