"""Reconstructed triggers with their pictures, and what was held against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from inspector.case import Case
from inspector.case.trigger_choice import trigger_form
from inspector.errors import CaseError
from inspector.export.report.pictures import as_picture, as_pixels, laid_over_grey

_MOST = 24
"""Classes whose trigger is pictured: the significant ones first, then the most unusual."""

_SIDE = 72


def triggers(case: Case, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was measured of each trigger, with pictures of the foremost.

    Parameters
    ----------
    case : Case
    found : mapping
        `trigger_document` of the case.

    Returns
    -------
    list of dict
        Rows of the trigger document without the opinion on them (``significant``), with
        ``pictures``: the mask, the pattern, and the trigger on grey (of a transformation a sample
        before and after, and the mean change); empty where there is none.
    """
    records = {(row["index"], row["method"]): row for row in case.triggers()}
    rows = sorted(found["classes"], key=_prominence)
    described = []
    for rank, row in enumerate(rows):
        name = str(row["name"])
        record = records.get((row["index"], row["method"]), {})
        pictures = _pictures(case, record, name) if rank < _MOST else []
        observed = {key: value for key, value in row.items() if key != "significant"}
        described.append({**observed, "pictures": pictures})
    return described


def by_method(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return the rows of each method, methods and rows in the order in which they come."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(str(row["method"]), []).append(row)
    return list(found.items())


def controls_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the controls of those triggers that have any.

    Parameters
    ----------
    rows : sequence of mapping
        ``observed.triggers``.

    Returns
    -------
    list of dict
        ``name``, ``method``, ``success_rate``; success ``moved`` and ``shuffled``; ``noise`` within
        ``budget`` grey levels, and ``others``, that of the median other class; ``overlap`` and
        ``ratio`` of the masks over ``seeds``. None is what was not tried.
    """
    found = []
    for row in rows:
        controls, noise, again = (
            part if isinstance(part := row.get(name), Mapping) else {}
            for name in ("controls", "baseline", "stability")
        )
        tried = {
            "moved": controls.get("moved"),
            "shuffled": controls.get("shuffled"),
            "noise": noise.get("success_rate"),
            "budget": noise.get("budget"),
            "others": noise.get("others"),
            "overlap": again.get("overlap"),
            "seeds": again.get("seeds"),
            "ratio": again.get("l1_ratio"),
        }
        if any(value is not None for value in tried.values()):
            found.append(
                {**{name: row[name] for name in ("name", "method", "success_rate")}, **tried}
            )
    return found


def _prominence(row: Mapping[str, Any]) -> tuple[bool, float, int]:
    return not row["significant"], -(row["anomaly"] or 0.0), row["index"]


def _pictures(case: Case, record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    mask, pattern = (_pixels(case, record, part) for part in ("mask", "pattern"))
    if mask is None or pattern is None or mask.shape[:2] != pattern.shape[:2]:
        return []
    if trigger_form(record) == "transformation":
        return [
            *_examples(case, record, name),
            as_picture(mask[:, :, :1], f"mean change by the trigger for {name}", _SIDE),
        ]
    return [
        as_picture(laid_over_grey(mask, pattern), f"trigger for {name} on grey", _SIDE),
        as_picture(mask[:, :, :1], f"mask of the trigger for {name}", _SIDE),
        as_picture(pattern, f"pattern of the trigger for {name}", _SIDE),
    ]


def _examples(case: Case, record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Picture the first example before and after a trigger that lies on no grey."""
    array = record.get("examples_array")
    if not isinstance(array, str) or not case.has_array(array):
        return []
    try:
        values = case.array(array)
    except CaseError:
        return []
    if values.ndim != 5 or len(values) != 2 or not values.shape[1]:
        return []
    pair = [as_pixels(one) for one in values[:, 0]]
    words = ("a sample", f"the same sample with the trigger for {name}")
    return [
        as_picture(pixels, alt, _SIDE)
        for pixels, alt in zip(pair, words, strict=True)
        if pixels is not None
    ]


def _pixels(case: Case, record: Mapping[str, Any], part: str) -> NDArray[Any] | None:
    array = record.get(f"{part}_array")
    if not isinstance(array, str) or not case.has_array(array):
        return as_pixels(record[part]) if record.get(part) is not None else None
    try:
        return as_pixels(case.array(array))
    except CaseError:
        return None
