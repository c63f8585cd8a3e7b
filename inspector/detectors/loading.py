"""Executes one drop-in file and says what detectors it defines, or why it defines none."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inspector.api import API, SIGNALS, Detector, DetectorInfo, Parameter

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class NotADetector(Exception):
    """What a file defines is not a detector, and why, in one line."""


def source_files(path: Path) -> list[Path]:
    """Return the Python files of a drop-in: itself, or everything in its folder."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a drop-in file, or of names and contents of a drop-in folder."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in source_files(path):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        whole.update(f"{file.relative_to(path).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def execute(path: Path) -> tuple[types.ModuleType, str]:
    """Execute a drop-in under a module name that no other file has.

    Two files of the same name in different folders must not replace each other, so the name carries
    a digest of place and content. What is hashed is what runs: the bytes are read once, and nothing
    is cached beside the file.

    Parameters
    ----------
    path : Path
        A ``.py`` file, or a folder with ``__init__.py``.

    Returns
    -------
    module : ModuleType
    sha256 : str
        Of the file, or of all Python files in the folder.

    Raises
    ------
    BaseException
        Whatever the file raises while it runs, SystemExit included.
    """
    folder = path.is_dir()
    file = path / "__init__.py" if folder else path
    source = file.read_bytes()
    sha256 = digest_of(path) if folder else hashlib.sha256(source).hexdigest()
    place = hashlib.sha256(f"{path.resolve()}\0{sha256}".encode()).hexdigest()[:12]
    name = f"inspector_dropin_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{place}"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if folder else None
    )
    if spec is None:
        raise NotADetector(f"{path.name} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and relative imports look the module up while it runs.
    sys.modules[name] = module
    try:
        exec(compile(source, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module, sha256


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
    for parameter in info.parameters:
        _check_parameter(name, parameter)
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


def factory_of(candidate: Any) -> Any:
    """Return a callable that makes the detector; an instance is handed out as it is."""
    if isinstance(candidate, type):
        return candidate

    def same() -> Detector:
        detector: Detector = candidate
        return detector

    return same
