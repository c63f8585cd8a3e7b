"""Values for the parameters of detectors: read from text, checked, and told to people.

Both sides of the border need this: the app checks before it asks an engine for anything, and the
engine checks what it was asked.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from inspector.api import DetectorInfo, Parameter
from inspector.errors import BadInput

Value = float | int | str | bool
Settings = Mapping[str, Mapping[str, Value]]
"""Values by the name of a parameter, by the id of a detector."""

WIDEST = 2**53
"""Whole numbers beyond it would not be the same on their way through JSON and forms."""

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def checked_value(parameter: Parameter, value: Any) -> Value:
    """Return a value in the type of the parameter.

    Raises
    ------
    ValueError
        It is of another type, no number, or out of bounds; says what it must be.
    """
    kind = type(parameter.default)
    if type(value) is int and abs(value) > WIDEST:
        raise ValueError(f"parameter {parameter.name!r} cannot be a number of that size")
    if kind is float and type(value) is int:
        value = float(value)
    known = type(value) is kind and not (isinstance(value, float) and not math.isfinite(value))
    if known and parameter.choices:
        known = value in parameter.choices
    if known and kind in (int, float):
        low = -math.inf if parameter.low is None else parameter.low
        high = math.inf if parameter.high is None else parameter.high
        known = low <= value <= high
    if not known:
        raise ValueError(f"parameter {parameter.name!r} must be {bounds(parameter)}, not {value!r}")
    result: Value = value
    return result


def read_value(parameter: Parameter, text: str) -> Value:
    """Return the value that a text names.

    Raises
    ------
    ValueError
        It names none that the parameter can have.
    """
    value: Any = text
    kind = type(parameter.default)
    if kind is bool:
        word = text.strip().lower()
        value = True if word in _YES else False if word in _NO else text
    elif kind in (int, float):
        with contextlib.suppress(ValueError):  # the text itself is refused below, in words
            value = kind(text)
    return checked_value(parameter, value)


def said(value: Any) -> str:
    """Return a value as a person reads it, and as it can be typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)[:200]


def bounds(parameter: Parameter) -> str:
    """Say what values a parameter takes, such as "a number from 0 to 0.4"."""
    if isinstance(parameter.default, bool):
        return "true or false"
    if parameter.choices:
        return f"one of: {', '.join(parameter.choices)}"
    if isinstance(parameter.default, str):
        return "a text"
    kind = "a whole number" if isinstance(parameter.default, int) else "a number"
    low, high = parameter.low, parameter.high
    if low is not None and high is not None:
        return f"{kind} from {said(low)} to {said(high)}"
    if low is not None:
        return f"{kind}, {said(low)} or more"
    return kind if high is None else f"{kind}, {said(high)} or less"


def read_settings(words: Sequence[str], infos: Mapping[str, DetectorInfo]) -> Settings:
    """Return the values that ``DETECTOR.PARAMETER=VALUE`` set, checked.

    Parameters
    ----------
    words : sequence of str
        As they were typed.
    infos : mapping of str to DetectorInfo
        The detectors that there are.

    Raises
    ------
    BadInput
        No such detector, parameter or value, or one that is set twice.
    """
    found: dict[str, dict[str, Value]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        detector, dot, parameter = name.strip().rpartition(".")
        if not (equals and dot and detector and parameter):
            raise BadInput(
                f"{word[:60]!r} sets nothing.",
                "A value is set as DETECTOR.PARAMETER=VALUE.",
                "Such as --set spectre.share=0.1; `inspector detectors` lists all parameters.",
            )
        known = _parameter(detector, parameter, infos)
        if parameter in found.get(detector, {}):
            raise BadInput(
                f"{detector}.{parameter} is set twice.", "It has one value.", "Leave one out."
            )
        try:
            value = read_value(known, text.strip())
        except ValueError:
            raise _refused(detector, known, text.strip()) from None
        found.setdefault(detector, {})[parameter] = value
    return found


def checked_settings(settings: Settings, infos: Mapping[str, DetectorInfo]) -> Settings:
    """Return settings with every value in its type.

    Raises
    ------
    BadInput
        As `read_settings`.
    """
    found: dict[str, dict[str, Value]] = {}
    for detector, values in settings.items():
        for name, value in values.items():
            known = _parameter(detector, name, infos)
            try:
                found.setdefault(detector, {})[name] = checked_value(known, value)
            except ValueError:
                told = said(value) if abs(_size(value)) <= WIDEST else "a number of that size"
                raise _refused(detector, known, told) from None
    return found


def changed(info: DetectorInfo, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the defaults of those parameters that have another value."""
    return {
        one.name: one.default
        for one in info.parameters
        if values.get(one.name, one.default) != one.default
    }


def assignments(settings: Settings) -> str:
    """Return settings in the words in which they are typed: "spectre.share=0.1, strip.overlays=2"."""
    return ", ".join(
        f"{detector}.{name}={said(value)}"
        for detector, own in settings.items()
        for name, value in own.items()
    )


def other_values(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a run had in place of defaults, by name.

    Parameters
    ----------
    finding : mapping
        As a case records it; the case may be somebody else's, and a record of another shape has none.
    """
    former, values = finding.get("in_place_of"), finding.get("parameters")
    if not isinstance(former, Mapping) or not isinstance(values, Mapping):
        return {}
    return {str(name): values[name] for name in former if name in values}


def settings_told(finding: Mapping[str, Any]) -> list[str]:
    """Say each value that a run had in place of a default, such as "share = 0.1 in place of 0.05"."""
    return [
        f"{name} = {said(value)} in place of {said(finding['in_place_of'].get(name))}"
        for name, value in other_values(finding).items()
    ]


def settings_said(finding: Mapping[str, Any]) -> str:
    """Say with which values a detector ran, such as "with share = 0.1 in place of 0.05"; or ""."""
    told = settings_told(finding)
    return f"with {', '.join(told)}" if told else ""


def passes_of(info: DetectorInfo, values: Mapping[str, Value]) -> float:
    """Return the extra passes of a detector, as many as these values make them."""
    passes = info.passes
    for one in info.parameters:
        value = values.get(one.name, one.default)
        if one.scales_passes and isinstance(value, int | float) and float(one.default):
            passes *= float(value) / float(one.default)
    return passes


def cost(info: DetectorInfo, values: Mapping[str, Value], count: int = 0) -> str:
    """Say what the extra passes of a detector come to; "" when it has none.

    Parameters
    ----------
    info : DetectorInfo
    values : mapping
        Of its parameters.
    count : int
        Samples that are assessed; 0 while unknown.
    """
    passes = passes_of(info, values)
    if not passes:
        return ""
    word = "pass" if passes == 1 else "passes"
    if not info.at_most:
        return f"{passes:g} further {word} over {f'{count:,}' if count else 'all'} samples"
    if not count:
        return f"{passes:g} further {word} over at most {info.at_most:,} samples"
    if count <= info.at_most:
        return f"{passes:g} further {word} over {count:,} samples"
    return (
        f"{passes:g} further {word} over {info.at_most:,} of {count:,} samples, as much as "
        f"{passes * info.at_most / count:.2g} over all"
    )


def infos_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, DetectorInfo]:
    """Return what works of an engine's list of detectors, by id."""
    found = {}
    for row in rows:
        info = row.get("info")
        if row.get("status") == "ready" and isinstance(info, Mapping):
            parameters = tuple(
                Parameter(**{**one, "choices": tuple(one.get("choices") or ())})
                for one in info.get("parameters") or ()
            )
            values = {**info, "needs": tuple(info["needs"]), "parameters": parameters}
            found[str(info["id"])] = DetectorInfo(**values)
    return found


def nearest(name: str, known: Collection[str]) -> str:
    """Name what looks most like a name that is not known: all of them where nothing does."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"Nearest: {', '.join(close)}."
    return f"There are: {', '.join(sorted(known))}." if known else "There are none."


def _parameter(detector: str, name: str, infos: Mapping[str, DetectorInfo]) -> Parameter:
    info = infos.get(detector)
    if info is None:
        raise BadInput(
            f"No detector is called {detector[:60]!r}.",
            nearest(detector, infos),
            "`inspector detectors` lists them with their parameters.",
        )
    known = {one.name: one for one in info.parameters}
    if name not in known:
        has = ", ".join(f"{one.name} ({bounds(one)})" for one in info.parameters)
        raise BadInput(
            f"{detector} has no parameter {name[:60]!r}.",
            f"{nearest(name, known)} It has {has}." if known else "It has none.",
            "`inspector detectors` lists them." if known else "Leave it out.",
        )
    return known[name]


def _size(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _refused(detector: str, parameter: Parameter, text: str) -> BadInput:
    return BadInput(
        f"{detector}.{parameter.name} cannot be {text[:60]!r}.",
        f"It must be {bounds(parameter)}; {said(parameter.default)} by default. {parameter.help}",
        "Give such a value, or leave it out.",
    )
