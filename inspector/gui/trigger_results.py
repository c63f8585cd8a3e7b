"""Reconstructed triggers as the case records them, checked, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inspector.case import Case
from inspector.case.shadow_document import beside_of
from inspector.case.trigger_choice import trigger_form
from inspector.case.trigger_document import region_words
from inspector.errors import CaseError
from inspector.gui.pixel_view import MAX_SIDE, as_pixels

_COLUMNS = 3
"""Of each round in a record: step, loss, success rate; more may follow."""


@dataclass(frozen=True, eq=False)
class Trigger:
    """What is known of the trigger of one class.

    Attributes
    ----------
    index : int
        The class that the trigger leads to.
    mask : ndarray, shape (h, w, 1), uint8, or None
        255 where the pattern replaces the picture.
    pattern : ndarray, shape (h, w, 1 or 3), uint8, or None
    delta : ndarray, shape (h, w, 1 or 3), int16, or None
        What an added trigger adds to a picture.
    method : str
        The search that found it.
    success : float
        Share of held-out samples that the trigger moves into the class, NaN when not measured.
    interval : tuple of float
        Its confidence interval, (NaN, NaN) when not measured.
    mask_l1 : float
        Sum of the mask, in pixels; small is suspicious.
    anomaly, threshold : float
        How far log L1 lies below the other classes in robust standard deviations, and from where
        on that counts for this number of classes.
    significant : bool
        Whether the search calls it a trigger.
    controls : tuple of float
        Success of the same pixels moved, and at random places.
    steps, losses, successes : ndarray
        The course of the search.
    stopped_early : bool
        The search was ended before it was through; the trigger works and is compared with none.
    bound : bool
        Compared with the others at an early point and not searched further: `mask_l1` is a bound.
    retained : float
        Share of held-out samples that, leaving the class out, are answered as without the trigger.
    transforms : bool
        The trigger changes every picture in its own way: mask and pattern are the mean change.
    examples : ndarray, shape (2, n, h, w, 1 or 3), uint8, or None
        Samples before and after a trigger that transforms.
    region : str
        Where it lies, in words; empty when not known.
    beside : mapping or None
        The class beside shadow networks, see `beside_of`; None where it was not compared.
    """

    index: int
    mask: NDArray[np.uint8] | None = None
    pattern: NDArray[np.uint8] | None = None
    success: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    mask_l1: float = float("nan")
    anomaly: float = float("nan")
    threshold: float = float("nan")
    significant: bool = False
    delta: NDArray[np.int16] | None = None
    method: str = ""
    controls: tuple[float, float] = (float("nan"), float("nan"))
    steps: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    successes: tuple[float, ...] = ()
    stopped_early: bool = False
    bound: bool = False
    retained: float = float("nan")
    transforms: bool = False
    examples: NDArray[np.uint8] | None = None
    region: str = ""
    beside: Mapping[str, Any] | None = None


def triggers_of(case: Case, method: str | None = None) -> list[Trigger]:
    """Return the recorded triggers, one per class, in class order.

    Parameters
    ----------
    case : Case
    method : str, optional
        Of this search alone; by default the most telling trigger of each class: one with a picture,
        significant, unusual.
    """
    found: dict[int, Trigger] = {}
    for row in case.triggers():
        trigger = read_trigger(case, row)
        if trigger is None or method not in (None, trigger.method):
            continue
        if trigger.index not in found or _telling(trigger) > _telling(found[trigger.index]):
            found[trigger.index] = trigger
    return [found[index] for index in sorted(found)]


def _telling(trigger: Trigger) -> tuple[bool, bool, float]:
    anomaly = trigger.anomaly if trigger.anomaly == trigger.anomaly else float("-inf")
    return trigger.mask is not None, trigger.significant, anomaly


def read_trigger(case: Case, row: Mapping[str, Any]) -> Trigger | None:
    """Return one record as a trigger; None when it names no class."""
    index = row.get("index")
    if not isinstance(index, int) or index < 0:
        return None
    interval = row.get("success_interval")
    steps, losses, successes = _course(row)
    pair = interval if isinstance(interval, list | tuple) and len(interval) == 2 else (None, None)
    return Trigger(
        index,
        _mask(_picture(case, row, "mask")),
        _picture(case, row, "pattern"),
        as_number(row.get("success_rate")),
        (as_number(pair[0]), as_number(pair[1])),
        as_number(row.get("mask_l1")),
        as_number(row.get("anomaly", row.get("anomaly_index"))),
        as_number(row.get("threshold")),
        bool(row.get("significant", False)),
        _delta(case, row),
        str(row.get("method", "")),
        _controls(row),
        steps,
        losses,
        successes,
        stopped_early=row.get("stopped_early") is True,
        bound=_is_bound(row),
        retained=_retained(row),
        transforms=trigger_form(row) == "transformation",
        examples=_examples(case, row),
        region=region_words(row),
        beside=_beside(row),
    )


def _beside(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    beside = beside_of(row)
    return None if beside is None or beside["deviation"] is None else beside


def _is_bound(row: Mapping[str, Any]) -> bool:
    screening = row.get("screening")
    return isinstance(screening, Mapping) and screening.get("kept") is False


def _delta(case: Case, row: Mapping[str, Any]) -> NDArray[np.int16] | None:
    values = _array(case, row.get("delta_array"))
    if values is None:
        return None
    good = values.dtype == np.int16 and values.ndim == 3 and values.shape[2] in (1, 3)
    return values if good and max(values.shape[:2]) <= MAX_SIDE else None


def _examples(case: Case, row: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    values = _array(case, row.get("examples_array"))
    if values is None:
        return None
    good = values.dtype == np.uint8 and values.ndim == 5 and values.shape[4] in (1, 3)
    good = good and values.shape[0] == 2 and values.shape[1] > 0
    return values if good and 0 < max(values.shape[2:4]) <= MAX_SIDE else None


def _array(case: Case, name: object) -> NDArray[Any] | None:
    """Return an array that a row names, None where there is none or it is not what it was."""
    if not isinstance(name, str) or not case.has_array(name):
        return None
    try:
        return np.asarray(case.array(name))
    except CaseError:
        return None


def _retained(row: Mapping[str, Any]) -> float:
    retained = row.get("retained")
    return as_number(retained.get("rate")) if isinstance(retained, Mapping) else float("nan")


def _controls(row: Mapping[str, Any]) -> tuple[float, float]:
    controls = row.get("controls")
    controls = controls if isinstance(controls, Mapping) else {}
    return as_number(controls.get("moved")), as_number(controls.get("shuffled"))


def as_number(value: Any) -> float:
    """Return a number as it came through JSON, NaN for anything else."""
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else float("nan")
    )


def _picture(case: Case, row: Mapping[str, Any], name: str) -> NDArray[np.uint8] | None:
    array = row.get(f"{name}_array")
    if not isinstance(array, str) or not case.has_array(array):
        return as_pixels(row[name]) if row.get(name) is not None else None
    try:
        values = np.asarray(case.array(array))
    except CaseError:
        return None
    # A mask is kept as weights of 0..1, a pattern as bytes.
    return as_pixels(values * 255.0 if values.dtype.kind == "f" else values)


def _mask(pixels: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    return None if pixels is None else pixels[:, :, :1]


def _course(row: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    """Return steps, losses and success rates; the record has one row of numbers per round."""
    history = row.get("history")
    rounds = history if isinstance(history, list | tuple) else ()
    kept = [_numbers(values) for values in rounds if isinstance(values, list | tuple)]
    kept = [values for values in kept if len(values) >= _COLUMNS]
    columns = list(zip(*(values[:_COLUMNS] for values in kept)))
    return tuple(columns) if columns else ((),) * _COLUMNS


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(as_number(value) for value in values)
