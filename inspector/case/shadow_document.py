"""Shadow networks as other programs and people read them: what was trained, and each class beside it.

A case may be somebody else's: what is read here has the shape that it should have, or is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inspector.case.document_parts import listed, plural, time_span
from inspector.case.findings import VERDICTS
from inspector.case.folder import Case

NETWORKS = "shadow_networks"
"""Record of the last search that trained any; a later search without them says nothing of these."""

ENOUGH = 19
"""Shadows from which on they decide, at 5 %, what is significant."""

MOST = 200
"""Shadows that a search may have."""

HOLDS = (
    "This holds if the network was trained as they were, on such data; another recipe (pretraining, "
    "augmentation, other data) can set classes apart as well."
)
_FAR = 1000.0
"""No trigger is so much smaller than another, on a natural logarithm."""


def shadows_of(case: Case) -> dict[str, Any] | None:
    """Return what the last search with shadow networks says of them; None when there is none.

    Returns
    -------
    dict
        ``count``, ``accuracy`` (of each), ``train``, ``left_out``, ``role`` ("data" or "reference"),
        ``architecture``, ``why`` (it is not the model's own), where it is known how many were
        ``asked`` for, and where it was computed ``p_value`` and ``verdict`` of the whole network.
    """
    summary = case.get("trigger_summary")
    told = case.get(NETWORKS) or (summary.get("shadows") if isinstance(summary, Mapping) else None)
    if not isinstance(told, Mapping) or not isinstance(told.get("accuracy"), list):
        return None
    shares = [_between(value, 1.0) for value in told["accuracy"][:MOST]]
    counts = {name: told.get(name) for name in ("count", "train", "left_out")}
    words = {name: told.get(name) for name in ("role", "architecture", "why")}
    good = (
        all(type(value) is int and 0 <= value < 2**53 for value in counts.values())
        and all(isinstance(value, str) for value in words.values())
        and words["role"] in ("data", "reference")
    )
    if not good:
        return None
    found = {**counts, "accuracy": [value for value in shares if value is not None], **words}
    asked = told.get("asked")
    if type(asked) is int and int(counts["count"] or 0) <= asked <= MOST:
        found["asked"] = asked
    whole, verdict = _between(told.get("p_value"), 1.0), told.get("verdict")
    if whole is not None:
        found["p_value"] = whole
    if isinstance(verdict, str) and verdict in VERDICTS:
        found["verdict"] = verdict
    return found


def beside_of(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the record of a trigger says of its class in shadow networks.

    Returns
    -------
    dict or None
        ``deviation``, ``threshold``, ``p_value``, ``family_p_value`` (each None where it is not
        known), and ``others``: the deviations of the shadows, finite, unless it is an earlier
        version's; None when there is nothing of that shape.
    """
    said = row.get("shadows")
    if not isinstance(said, Mapping):
        return None
    found: dict[str, Any] = {
        "deviation": _number(said.get("deviation")),
        "threshold": _number(said.get("threshold")),
        "p_value": _between(said.get("p_value"), 1.0),
        "family_p_value": _between(said.get("family_p_value"), 1.0),
    }
    if isinstance(said.get("others"), list):
        others = (_number(value) for value in said["others"][:MOST])
        found["others"] = [value for value in others if value is not None]
    return found


def compared_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return by method those rows of a trigger document that were compared with shadow networks.

    The most deviating class of each method comes first, and so does the method that says most.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if (row.get("shadows") or {}).get("deviation") is not None:
            found.setdefault(str(row["method"]), []).append(row)
    for same in found.values():
        same.sort(key=lambda row: -row["shadows"]["deviation"])
    return dict(sorted(found.items(), key=lambda one: min(map(_chance, one[1]))))


def _chance(row: Mapping[str, Any]) -> float:
    chance = row["shadows"]["family_p_value"]
    return 1.0 if chance is None else float(chance)


def shadow_budget_sentence(budget: Mapping[str, Any]) -> str:
    """Say what shadow networks will take, before they are trained."""
    like = (
        "with the architecture of the model"
        if not budget["why"]
        else f"small residual networks, for the model's cannot be drawn anew: {budget['why']}"
    )
    left = f" ({budget['left_out']:,} are left out, for they look suspicious)"
    kept = budget.get("kept", 0)
    there = f" ({kept} {'is' if kept == 1 else 'are'} there from before)" if kept else ""
    return (
        f"{budget['count']} shadow {plural(budget['count'], 'network')}{there}, {like}, trained on "
        f"{budget['train']:,} samples each"
        f"{left if budget['left_out'] else ''} for {budget['epochs']} epochs and searched like the "
        f"model: about {time_span(budget['seconds'])} on top of the search."
    )


def trained_sentence(shadows: Mapping[str, Any]) -> str:
    """Put into words what the shadow networks are."""
    known = shadows["accuracy"]
    source = "of the trusted reference" if shadows["role"] == "reference" else "that look clean"
    left = f"; {shadows['left_out']:,} that look suspicious or have no label were left out"
    why = f" Not the model's own architecture: {shadows['why']}" if shadows["why"] else ""
    return (
        f"{used_words(shadows)} shadow {plural(shadows['count'], 'network')} "
        f"({shadows['architecture']}), "
        f"trained on four fifths of {shadows['train']:,} samples {source}"
        f"{left if shadows['left_out'] else ''}; accuracy {_span(known)} on the rest.{why}"
    )


def used_words(shadows: Mapping[str, Any]) -> str:
    """Say how many networks were compared with, and of how many where the search was ended before."""
    asked = shadows.get("asked", shadows["count"])
    return f"{shadows['count']:,}" + (f" of {asked:,}" if asked != shadows["count"] else "")


def network_sentence(shadows: Mapping[str, Any]) -> str:
    """Say how the network as a whole stands beside them, and how often a clean one does; "" unknown."""
    whole, verdict = shadows.get("p_value"), shadows.get("verdict")
    if whole is None:
        return ""
    if verdict is None:
        return f"Whole network: p-value {whole:.2g}."
    more = ""
    if verdict == "none":
        more = " That does not show that it is clean."
    elif verdict == "low":
        more = " No trigger that works goes with it, so the verdict stops at low."
    return (
        f"Whole network: verdict {verdict}, p-value {whole:.2g} (of clean networks that were trained "
        f"like these about {whole:.0%} deviate as much).{more}"
    )


def shadows_sentence(shadows: Mapping[str, Any]) -> str:
    """Put into words what the classes were compared with, and what the numbers are."""
    whole = network_sentence(shadows)
    return (
        f"{trained_sentence(shadows)} {whole}{' ' if whole else ''}Deviation: how much more suspicious "
        "a class is than in them, such as how much smaller its trigger, as a difference of logarithms; "
        "p-value: how many of them have a class that deviates as much in any method, the one at hand "
        "counted."
    )


def compared_sentence(rows: list[Mapping[str, Any]]) -> str:
    """Say what of one method stands out beside its shadow networks.

    Parameters
    ----------
    rows : list of mapping
        Of one method, see `compared_rows`; not empty.
    """
    found = [row for row in rows if row["significant"] and row["shadows"]["threshold"] is not None]
    first = (found or rows)[0]
    beside = first["shadows"]
    count = len(beside.get("others") or ())
    among = f"{count:,} shadow {plural(count, 'network')}" if count else "shadow networks"
    far = f"{beside['deviation']:.2f}"
    family = beside["family_p_value"]
    chance = (
        "" if family is None else f", p-value {family:.2g} for all classes and methods together"
    )
    if beside["threshold"] is None:
        return (
            f"Farthest from {among} is {first['name']}: deviation {far}{chance}. So few of them "
            "decide nothing: classes are judged by one another."
        )
    limit = f"{beside['threshold']:.2f}"
    if not found and beside["deviation"] >= beside["threshold"]:
        return (
            f"{first['name']} lies beyond {among}: deviation {far} of {limit}{chance}. It does not "
            "count, for its trigger does not turn what it should."
        )
    if not found:
        return (
            f"No class stands out beside {among}. Farthest is {first['name']}: deviation {far} of "
            f"{limit}{chance}."
        )
    names, stand = (
        listed([str(row["name"]) for row in found]),
        "stands" if len(found) == 1 else "stand",
    )
    return f"{names} {stand} out beside {among}: deviation {far} of {limit}{chance}."


def _span(shares: list[float]) -> str:
    low, high = (f"{end(shares):.0%}" for end in (min, max)) if shares else ("unknown", "unknown")
    return low if low == high else f"{low} to {high}"


def _number(value: object) -> float | None:
    """Return a deviation as it came through JSON; None for anything that cannot be one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # A comparison holds for integers of any length, and is false for what is not a number.
    return float(value) if abs(value) < _FAR else None


def _between(value: object, most: float) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= most else None
