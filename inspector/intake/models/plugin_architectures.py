"""Networks that an analyst's plugins build: found, named, and recorded with their file's digest.

A plugin is code that the analyst installed: a drop-in file with ``ARCHITECTURES = {"id": builder}``
in a plugin folder, or an installed package with an entry point ``inspector.architectures``. A model
spec names one by its id, never by a path, so that neither evidence nor a case can bring code along.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from inspector.dropins import digest_of, drop_ins, execute, source_files
from inspector.errors import BadInput
from inspector.places import bundled_plugins, user_plugins

GROUP = "inspector.architectures"
"""The entry point group by which installed packages offer networks."""

_COUNTED = ("num_classes", "in_channels")


@dataclass(frozen=True)
class Architecture:
    """One network that a plugin builds.

    Attributes
    ----------
    id : str
        What a spec names it by.
    builder : callable or None
        Makes the network from keyword arguments; None when the plugin is broken.
    origin : str
        "plugin folder", "user folder" or "package NAME".
    file : Path or None
    sha256 : str
        Of the file.
    cause : str
        Why it is broken, in one line; "" when it works.
    """

    id: str
    builder: Callable[..., nn.Module] | None
    origin: str
    file: Path | None
    sha256: str
    cause: str = ""


def architectures(folders: Sequence[Path] | None = None) -> list[Architecture]:
    """Find every network that plugins offer, broken ones too; nothing that one does stops it.

    Parameters
    ----------
    folders : sequence of Path, optional
        Folders with drop-ins; by default the plugins that ship and the analyst's own. Only files
        that mention ``ARCHITECTURES`` are run.

    Returns
    -------
    list of Architecture
        Of two with the same id the first counts: installed packages, then folders in order.
    """
    found = list(_from_packages())
    for folder in (bundled_plugins(), user_plugins()) if folders is None else folders:
        found += _from_folder(Path(folder))
    seen: set[str] = set()
    kept = []
    for entry in found:
        if entry.id in seen:
            continue
        seen.add(entry.id)
        kept.append(entry)
    return kept


def find_architecture(name: str, folders: Sequence[Path] | None = None) -> Architecture:
    """Return the network that a spec names.

    Raises
    ------
    BadInput
        No plugin offers it, or the one that does is broken.
    """
    found = architectures(folders)
    for entry in found:
        if entry.id == name and entry.builder is not None:
            return entry
    broken = next((entry for entry in found if entry.id == name), None)
    if broken is not None:
        raise BadInput(f"The plugin {name!r} cannot be used.", broken.cause, f"Mend {broken.file}.")
    working = [entry.id for entry in found if entry.builder is not None]
    near = difflib.get_close_matches(name, working, 3, 0.5)
    offered = f"Installed are: {', '.join(near or working[:8])}." if working else "None does."
    raise BadInput(
        f"No installed plugin offers a network called {name!r}.",
        offered,
        f'Put a file with ARCHITECTURES = {{"{name}": builder}} into {user_plugins()}.',
    )


def check_arguments(entry: Architecture, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the builder does not take, naming the nearest that it does.

    Raises
    ------
    BadInput
        An argument is unknown, or one that the builder wants is missing.
    """
    assert entry.builder is not None
    taken = builder_parameters(entry.builder)
    if taken is None:
        return
    for name in arguments:
        if name not in taken and name not in _COUNTED:
            raise unknown_argument(entry.id, name, taken)
    for name, parameter in taken.items():
        if parameter.default is parameter.empty and name not in (*arguments, *_COUNTED):
            raise BadInput(
                f"The network {entry.id!r} needs the argument {name!r}.",
                "Its builder has no default for it.",
                f"State it in the spec: [architecture] args = {{ {name} = … }}.",
            )


def build_plugin(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a plugin's network; class count and channels are given to builders that take them.

    Raises
    ------
    BadInput
        There is no such plugin, or its builder fails or gives no network.
    """
    entry = find_architecture(name)
    assert entry.builder is not None
    taken = builder_parameters(entry.builder)
    given = {
        key: value
        for key, value in arguments.items()
        if taken is None or key in taken or key not in _COUNTED
    }
    try:
        network = entry.builder(**given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BadInput(
            f"The plugin {name!r} could not build its network.",
            f"{type(error).__name__}: {_line(error)}.",
            f"Mend {entry.file or entry.origin}, or the arguments in the spec.",
        ) from error
    if not isinstance(network, nn.Module):
        raise BadInput(
            f"The plugin {name!r} built a {type(network).__name__}, not a network.",
            "A builder returns a torch.nn.Module.",
            f"Mend {entry.file or entry.origin}.",
        )
    return network


def builder_parameters(builder: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Return the arguments that a builder takes by name; None when it takes any."""
    try:
        parameters = inspect.signature(builder).parameters
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return {
        name: parameter
        for name, parameter in parameters.items()
        if name != "self"
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def unknown_argument(network: str, name: str, taken: Iterable[str]) -> BadInput:
    """Return the refusal of an argument that a builder does not take."""
    names = sorted(set(taken) - set(_COUNTED))
    near = difflib.get_close_matches(name, names, 1, 0.5)
    listed = f"It takes {', '.join(names)}." if names else "It takes none."
    return BadInput(
        f"The network {network!r} takes no argument {name!r}.",
        f"Did you mean {near[0]!r}?" if near else listed,
        "Correct [architecture] args in the spec.",
    )


def _from_packages() -> Iterator[Architecture]:
    try:
        points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name)
    except Exception:  # broken metadata of any installed package
        return
    for point in points:
        origin = f"package {point.dist.name if point.dist is not None else point.value}"
        try:
            builder = point.load()
            file = Path(str(sys.modules[builder.__module__].__file__))
            offered = {point.name: builder} if callable(builder) else dict(builder)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            yield Architecture(point.name, None, origin, None, "", _cause(error))
            continue
        for name, made in offered.items():
            yield _checked(name, made, origin, file, digest_of(file))


def _from_folder(folder: Path) -> Iterator[Architecture]:
    origin = "user folder" if folder == user_plugins() else "plugin folder"
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        paths = list(drop_ins(folder))
    for path in paths:
        try:
            if not any(b"ARCHITECTURES" in file.read_bytes() for file in source_files(path)):
                continue
            module, sha256 = execute(path)
            offered = getattr(module, "ARCHITECTURES", {})
            if not isinstance(offered, Mapping):
                raise TypeError("ARCHITECTURES must be a dict of ids and builders")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            yield Architecture(path.stem, None, origin, path, _digest(path), _cause(error))
            continue
        for name, builder in offered.items():
            yield _checked(name, builder, origin, path, sha256)


def _checked(name: Any, builder: Any, origin: str, file: Path | None, sha256: str) -> Architecture:
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
        return Architecture(
            file.stem if file else origin, None, origin, file, sha256, f"{name!r:.80} is no id."
        )
    if not callable(builder):
        return Architecture(
            name, None, origin, file, sha256, f"{name} is a {type(builder).__name__}, no builder."
        )
    return Architecture(name, builder, origin, file, sha256)


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError:
        return hashlib.sha256().hexdigest()


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {_line(error)}."


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else "no reason given"
