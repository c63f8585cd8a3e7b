"""The limits on evidence that an analyst raised in a case: recorded, and handed to every engine."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.case import Case
from inspector.intake.limits import LIMITS, trusted

ACT = "limit raised"


def raised_limits(case: Case) -> dict[str, int]:
    """Return the values above the defaults that hold in a case, by name of the limit.

    The case may be somebody else's: names that are unknown are left out, and no value exceeds the
    ceiling of its limit.
    """
    kept = case.kept(ACT)
    return trusted(
        {name: row.get("value") for name, row in kept.items() if isinstance(row, Mapping)}
    )


def raise_in_case(case: Case, wanted: Mapping[str, int]) -> list[str]:
    """Record raised limits, one act each; they hold from the next engine on.

    Parameters
    ----------
    case : Case
        Open for writing.
    wanted : mapping of str to int
        From `inspector.intake.limits.parsed`.

    Returns
    -------
    list of str
        A sentence for each limit that has another value now.
    """
    former, said = raised_limits(case), []
    for name, value in wanted.items():
        known = LIMITS[name]
        before = former.get(name, known.default)
        if value == before:
            continue
        kept = {"value": value, "default": known.default, "about": known.about}
        case.keep(ACT, name, kept, limit=name, before=before, after=value)
        said.append(
            f"The limit {name} ({known.about}) is {known.shown(value)} now and was "
            f"{known.shown(before)}. It protects from {known.protects}."
        )
    return said
