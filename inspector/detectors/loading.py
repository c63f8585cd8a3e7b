"""Says what detectors a drop-in file defines, or why it defines none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from inspector.api import API, SIGNALS, Detector, DetectorInfo, Parameter
from inspector.parameters import checked_value

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class NotADetector(Exception):
    """What a file defines is not a detector, and why, in one line."""


def detectors_in(module: Any) -> list[Any]:
    """Return what a module lists under ``DETECTORS``.

    Raises
    ------
    NotADetector
        There is no such list, or it is empty.
    """
    listed = getattr(module, "DETECTORS", None)
    if listed is None:
        raise NotADetector("It defines no DETECTORS list, so nothing in it can be found.")
    if isinstance(listed, (str, type)) or not isinstance(listed, Iterable):
        raise NotADetector("DETECTORS must be a list of detector classes.")
    found = list(listed)
    if not found:
        raise NotADetector("Its DETECTORS list is empty.")
    return found


def checked_info(candidate: Any) -> DetectorInfo:
    """Return the metadata of a detector class (or instance) after checking it.

    Raises
    ------
    NotADetector
        With the first thing that is wrong.
    """
    name = getattr(candidate, "__name__", type(candidate).__name__)
    info = getattr(candidate, "info", None)
    if info is None:
        raise NotADetector(f"{name} has no `info`; it needs a DetectorInfo.")
    version = getattr(info, "api", None)
    if isinstance(version, int) and version != API:
        raise NotADetector(f"{name} needs version {version} of the detector API; this is {API}.")
    if not isinstance(info, DetectorInfo):
        raise NotADetector(f"{name}.info is a {type(info).__name__} instead of a DetectorInfo.")
    if version != API:
        raise NotADetector(f"{name}.info.api is {version!r} instead of {API}.")
    if not callable(getattr(candidate, "run", None)):
        raise NotADetector(f"{name} has no `run` method.")
    if not isinstance(info.id, str) or not _ID.fullmatch(info.id) or len(info.id) > 64:
        raise NotADetector(f"{name}.info.id {info.id!r} must be lower case words with hyphens.")
    for field in ("title", "summary", "version"):
        text = getattr(info, field)
        if not isinstance(text, str) or not text.strip():
            raise NotADetector(f"{name}.info.{field} is empty.")
    if isinstance(info.needs, str) or not set(info.needs) <= set(SIGNALS):
        needs = [info.needs] if isinstance(info.needs, str) else info.needs
        strange = ", ".join(sorted(set(needs) - set(SIGNALS))) or "a text instead of a tuple"
        raise NotADetector(f"{name} needs {strange}; signals are: {', '.join(SIGNALS)}.")
    if info.in_ranking and "combined" in info.needs:
        raise NotADetector(f"{name} needs the combined ranking and so cannot be part of it.")
    if type(info.at_most) is not int or info.at_most < 0:
        raise NotADetector(f"{name}.info.at_most is {info.at_most!r} instead of a number.")
    for parameter in info.parameters:
        _check_parameter(name, parameter)
    names = [parameter.name for parameter in info.parameters]
    if twice := [one for one in names if names.count(one) > 1]:
        raise NotADetector(f"{name} has two parameters with the name {twice[0]!r}.")
    return info


def _check_parameter(name: str, parameter: Any) -> None:
    if not isinstance(parameter, Parameter):
        raise NotADetector(f"{name} lists a parameter that is no Parameter: {parameter!r}.")
    if not isinstance(parameter.name, str) or not _NAME.fullmatch(parameter.name):
        raise NotADetector(f"{name} has a parameter with the name {parameter.name!r}.")
    if type(parameter.default) not in (int, float, str, bool):
        raise NotADetector(
            f"{name}: the default of {parameter.name!r} must be a number, text, or true or false."
        )
    if parameter.choices and parameter.default not in parameter.choices:
        raise NotADetector(f"{name}: the default of {parameter.name!r} is not among its choices.")
    for bound in (parameter.low, parameter.high):
        if bound is not None and type(bound) not in (int, float):
            raise NotADetector(f"{name}: a bound of {parameter.name!r} is no number: {bound!r}.")
    try:
        checked_value(parameter, parameter.default)
    except ValueError as error:
        raise NotADetector(f"{name}: the default does not keep its own bounds: {error}.") from None


def factory_of(candidate: Any) -> Any:
    """Return a callable that makes the detector; an instance is handed out as it is."""
    if isinstance(candidate, type):
        return candidate

    def same() -> Detector:
        detector: Detector = candidate
        return detector

    return same
