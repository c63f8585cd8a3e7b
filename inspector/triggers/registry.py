"""Finds reconstruction methods: bundled, from installed packages, and dropped into folders."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from inspector.dropins import drop_ins, execute
from inspector.errors import BadInput
from inspector.triggers.method import Method, MethodInfo

GROUP = "inspector.triggers"
"""The entry point group by which installed packages offer methods."""

FOLDER = "triggers"
"""Sub-folder of a plugin folder that methods are dropped into."""

BUNDLED = ("neural_cleanse", "universal", "max_margin", "pixel", "blended", "feature_space")
DEFAULT = "neural-cleanse"
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class MethodEntry:
    """One method that was found, or one file that should have held one.

    Attributes
    ----------
    id : str
        The method's id; for a broken file its name.
    info : MethodInfo or None
        None when it is broken.
    factory : callable or None
        Makes the method.
    origin : str
        "bundled", "package NAME" or "plugin folder".
    sha256 : str
        Of a drop-in file; else "".
    cause : str
        Why it is broken, in one line.
    """

    id: str
    info: MethodInfo | None
    factory: Callable[[], Method] | None
    origin: str
    sha256: str = ""
    cause: str = ""


def discover_methods(folders: Sequence[Path] = ()) -> list[MethodEntry]:
    """Find every method, in the order bundled, installed packages, folders.

    Parameters
    ----------
    folders : sequence of Path
        Plugin folders; methods lie in their sub-folder ``triggers``.

    Returns
    -------
    list of MethodEntry
        What cannot be used has a cause. Of two methods with the same id the first keeps it.
    """
    found: list[MethodEntry] = []
    for name in BUNDLED:
        module = importlib.import_module(f"inspector.triggers.{name}")
        found += _entries(module.METHODS, "bundled", name)
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda one: one.name):
        origin = f"package {point.dist.name if point.dist is not None else point.value}"
        found += _guarded(partial(_loaded, point), origin, point.name)
    for folder in folders:
        for path in drop_ins(Path(folder) / FOLDER):
            found += _guarded(partial(execute, path), "plugin folder", path.stem)
    return list(_without_duplicates(found))


def chosen_methods(names: Sequence[str], entries: Sequence[MethodEntry]) -> list[MethodEntry]:
    """Return the methods of these names, in that order.

    Raises
    ------
    BadInput
        There is none of a name, or it is broken.
    """
    known = {entry.id: entry for entry in entries}
    chosen = []
    for name in dict.fromkeys(names):
        entry = known.get(name)
        if entry is None or entry.factory is None:
            raise BadInput(
                f"No trigger search is called {name[:60]!r}."
                if entry is None
                else f"The trigger search {name!r} cannot be used.",
                entry.cause if entry is not None else "",
                f"There are: {', '.join(one.id for one in entries if one.factory)}.",
            )
        chosen.append(entry)
    return chosen


def _loaded(point: importlib.metadata.EntryPoint) -> tuple[Any, str]:
    return point.load(), ""


def _guarded(load: Callable[[], tuple[Any, str]], origin: str, name: str) -> list[MethodEntry]:
    try:
        target, sha256 = load()
        listed = getattr(target, "METHODS", target)
        if not isinstance(listed, Iterable):
            listed = [listed]
        return list(_entries(listed, origin, name, sha256))
    except KeyboardInterrupt:
        raise
    # SystemExit included: a plugin must not be able to end the engine.
    except BaseException as error:
        said = " ".join(str(error).split())[:300]
        return [_broken(name, origin, f"{type(error).__name__}: {said}")]


def _entries(
    listed: Iterable[Any], origin: str, name: str, sha256: str = ""
) -> Iterator[MethodEntry]:
    for candidate in listed:
        info = getattr(candidate, "info", None)
        if not isinstance(info, MethodInfo) or not callable(getattr(candidate, "run", None)):
            yield _broken(name, origin, "It needs an `info` (MethodInfo) and a `run` method.")
        elif not _ID.fullmatch(info.id) or len(info.id) > 40:
            yield _broken(name, origin, f"Its id {info.id!r} must be lower case with hyphens.")
        else:
            yield MethodEntry(info.id, info, candidate, origin, sha256)


def _broken(name: str, origin: str, cause: str) -> MethodEntry:
    return MethodEntry(name, None, None, origin, "", cause)


def _without_duplicates(found: Iterable[MethodEntry]) -> Iterator[MethodEntry]:
    seen: set[str] = set()
    for entry in found:
        if entry.info is not None and entry.id in seen:
            yield _broken(f"{entry.id} (second)", entry.origin, f"The id {entry.id!r} is taken.")
            continue
        seen.add(entry.id)
        yield entry
