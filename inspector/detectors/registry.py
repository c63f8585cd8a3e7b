"""Finds detectors: bundled, from installed packages, and dropped into folders. Nothing stops it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from inspector.api import Detector, DetectorInfo
from inspector.detectors.execution import cause_of, traceback_of
from inspector.detectors.loading import (
    NotADetector,
    checked_info,
    detectors_in,
    factory_of,
)
from inspector.dropins import digest_of, drop_ins, execute
from inspector.parameters import Settings, checked_settings
from inspector.places import bundled_plugins, user_plugins

GROUP = "inspector.detectors"
"""The entry point group by which installed packages offer detectors."""

BUNDLED = (
    "spectral",
    "spectral_whitened",
    "spectral_gradient",
    "activation_clustering",
    "quantum_entropy",
    "spectral_layers",
    "loss_trajectory",
    "spectral_conv_gradient",
    "duplicates",
    "spectral_family",
    "spectre",
    "art_spectral",
    "radial_kurtosis",
    "statistical_contamination",
    "loss_tails",
    "label_neighbours",
    "tight_cluster",
    "collisions",
    "confident_learning",
    "strip",
    "scale_up",
    "ibd_psc",
    "beatrix",
    "layer_likelihood",
    "gradient_direction",
    "cognitive_distillation",
)
"""Modules of the bundled detectors, those of the combined ranking first."""


@dataclass(frozen=True)
class Entry:
    """One detector that was found, or one file that should have held one.

    Attributes
    ----------
    info : DetectorInfo or None
        None when it is broken before its metadata could be read.
    factory : callable or None
        Makes the detector.
    origin : str
        "bundled", "package NAME", "plugin folder" or "user folder".
    file : Path or None
    sha256 : str
        Of the file; "" when it could not be read.
    status : str
        "ready" or "broken".
    cause : str
        Why it is broken, in one line.
    traceback : str
        Details for who wants them.
    """

    info: DetectorInfo | None
    factory: Callable[[], Detector] | None
    origin: str
    file: Path | None
    sha256: str
    status: Literal["ready", "broken"]
    cause: str = ""
    traceback: str = ""

    @property
    def id(self) -> str:
        """The detector's id; for a broken file its name."""
        if self.info is not None:
            return self.info.id
        return self.file.stem if self.file is not None else self.origin


def discover(folders: Sequence[Path] | None = None, entry_points: bool = True) -> list[Entry]:
    """Find every detector, in the order bundled, installed packages, folders.

    Parameters
    ----------
    folders : sequence of Path, optional
        Folders with drop-ins; by default the plugins that ship and the user's own.
    entry_points : bool
        Whether installed packages are asked too.

    Returns
    -------
    list of Entry
        What cannot be used is a row with status "broken" and its cause. Of two detectors with the
        same id the first keeps it.
    """
    found = list(_bundled())
    if entry_points:
        found += _from_packages()
    for folder in (bundled_plugins(), user_plugins()) if folders is None else folders:
        found += _from_folder(Path(folder))
    return _without_duplicates(found)


def load_file(path: Path, origin: str = "plugin folder") -> list[Entry]:
    """Return an entry for each detector of a drop-in, or one that says what is wrong with it."""
    try:
        module, sha256 = execute(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return [_broken(error, origin, path, _digest_or_nothing(path))]
    if hasattr(module, "ARCHITECTURES") and not hasattr(module, "DETECTORS"):
        return []  # it offers networks instead, which `intake.models` looks for
    try:
        candidates = detectors_in(module)
    except Exception as error:
        sys.modules.pop(module.__name__, None)
        return [_broken(error, origin, path, sha256)]
    return [_entry(candidate, origin, path, sha256) for candidate in candidates]


def _bundled() -> Iterator[Entry]:
    for name in BUNDLED:
        module = importlib.import_module(f"inspector.detectors.{name}")
        file = Path(str(module.__file__))
        for candidate in detectors_in(module):
            yield _entry(candidate, "bundled", file, _digest_or_nothing(file))


def _from_packages() -> Iterator[Entry]:
    try:
        points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: point.name)
    except Exception as error:  # broken metadata of any installed package
        yield _broken(error, "packages", None, "")
        return
    for point in points:
        package = point.dist.name if point.dist is not None else point.value.split(".")[0]
        origin = f"package {package}"
        try:
            target = point.load()
            file = _file_of(target)
            sha256 = _digest_or_nothing(file)
            candidates = detectors_in(target) if hasattr(target, "DETECTORS") else _as_list(target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            yield replace(_broken(error, origin, None, ""), origin=f"{origin} ({point.name})")
            continue
        for candidate in candidates:
            yield _entry(candidate, origin, file, sha256)


def _from_folder(folder: Path) -> Iterator[Entry]:
    origin = "user folder" if folder == user_plugins() else "plugin folder"
    try:
        found = list(drop_ins(folder))
    except OSError as error:
        yield _broken(error, origin, folder, "")
        return
    for path in found:
        yield from load_file(path, origin)


def _entry(candidate: Any, origin: str, file: Path | None, sha256: str) -> Entry:
    try:
        info = checked_info(candidate)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _broken(error, origin, file, sha256)
    return Entry(info, factory_of(candidate), origin, file, sha256, "ready")


def _broken(error: BaseException, origin: str, file: Path | None, sha256: str) -> Entry:
    cause = str(error) if isinstance(error, NotADetector) else cause_of(error)
    details = "" if isinstance(error, NotADetector) else traceback_of(error)
    return Entry(None, None, origin, file, sha256, "broken", cause, details)


def _without_duplicates(found: Iterable[Entry]) -> list[Entry]:
    owners: dict[str, Entry] = {}
    rows = []
    for entry in found:
        if entry.info is not None and entry.id in owners:
            owner = owners[entry.id]
            cause = f"The id {entry.id!r} is taken by {owner.file or owner.origin}."
            # A row needs an id of its own: two rows under one id could not be told apart.
            rows.append(replace(entry, info=None, factory=None, status="broken", cause=cause))
            continue
        if entry.info is not None:
            owners[entry.id] = entry
        rows.append(entry)
    return rows


def _as_list(target: Any) -> list[Any]:
    return list(target) if isinstance(target, (list, tuple)) else [target]


def _file_of(target: Any) -> Path | None:
    module = importlib.import_module(target.__module__) if hasattr(target, "__module__") else target
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def _digest_or_nothing(file: Path | None) -> str:
    try:
        return digest_of(file) if file is not None else hashlib.sha256().hexdigest()
    except OSError:
        return ""


def checked_for(
    entries: Iterable[Entry], settings: Mapping[str, Mapping[str, Any]] | None
) -> Settings:
    """Return those of the settings that are for these detectors, each value in its type.

    Raises
    ------
    BadInput
        A detector has no such parameter, or the parameter cannot have such a value.
    """
    infos = {entry.id: entry.info for entry in entries if entry.info is not None}
    own = {name: values for name, values in (settings or {}).items() if name in infos and values}
    return checked_settings(own, infos)
