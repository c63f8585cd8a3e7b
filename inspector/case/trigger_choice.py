"""Names for reconstructed triggers, and which of them is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inspector.errors import BadInput

if TYPE_CHECKING:
    from inspector.case.folder import Case

SEARCH = "trigger-search"
"""Id of the finding that a search of the data for carriers records."""

TRIGGER_PARTS = ("mask", "pattern", "delta", "bend", "filters", "gates", "shade")
"""Arrays that a trigger may have: its record names each as ``PART_array``. The last four are the
weights of one that changes every picture in its own way."""


def trigger_id(row: Mapping[str, Any]) -> str:
    """Return the name of a trigger: its class and its method, as in "8:neural-cleanse"."""
    return f"{row['index']}:{row['method']}"


def trigger_form(row: Mapping[str, Any]) -> str:
    """Return how a trigger goes onto a picture: "painted", "added" or "transformation"."""
    if row.get("bend_array"):
        return "transformation"
    return "added" if row.get("delta_array") else "painted"


def find_trigger(case: Case, name: str | None = None) -> dict[str, Any]:
    """Return a recorded trigger that has a picture.

    Parameters
    ----------
    case : Case
    name : str, optional
        "8:neural-cleanse"; "8" or the name of a class for the most telling one of this class. The
        most telling of all when None: significant ones first, then by anomaly.

    Raises
    ------
    BadInput
        There is none of this name, or none at all.
    """
    rows = case.triggers()
    pictured = [row for row in rows if row.get("mask_array") or row.get("mask") is not None]
    if not pictured:
        raise BadInput(
            "The case holds no reconstructed trigger.",
            "No search has found one yet.",
            f"Run `inspector trigger {case.path}` first.",
        )
    if name is not None:
        names = list(case.class_names)
        index = names.index(name) if name in names else None
        chosen = [
            row
            for row in pictured
            if name in (trigger_id(row), str(row["index"])) or row["index"] == index
        ]
        if not chosen:
            known = ", ".join(trigger_id(row) for row in pictured[:20])
            raise BadInput(
                f"There is no trigger {name[:60]!r}.", f"There are: {known}.", "Name one of them."
            )
        pictured = chosen
    return max(pictured, key=_telling)


def _telling(row: Mapping[str, Any]) -> tuple[bool, float]:
    anomaly = row.get("anomaly")
    known = isinstance(anomaly, int | float) and anomaly == anomaly
    return bool(row.get("significant")), float(anomaly or 0.0) if known else float("-inf")
