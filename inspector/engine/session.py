"""What the engine keeps between two jobs: the opened evidence, so that it is read once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError


class Session:
    """Folder to write into, and one loaded object per kind.

    Parameters
    ----------
    derived : Path
        The case's ``derived/`` folder, the only place that jobs write to.
    layers : list of str
        Sandbox layers in force, recorded with every result.
    """

    def __init__(self, derived: Path, layers: list[str]) -> None:
        self.derived = derived
        self.layers = layers
        self._kept: dict[str, tuple[str, Any]] = {}

    def keep(self, kind: str, key: dict[str, Any], make: Callable[[], Any]) -> Any:
        """Return the object of this kind, made anew when its key differs from the kept one."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        if self._kept.get(kind, ("", None))[0] != digest:
            self._kept.pop(kind, None)  # Free the old one before the new one is built.
            self._kept[kind] = (digest, make())
        return self._kept[kind][1]

    def folder(self, name: str) -> Path:
        """Return a folder under ``derived/``, created.

        Raises
        ------
        InspectorError
            The name would leave ``derived/``.
        """
        path = (self.derived / name).resolve()
        if not path.is_relative_to(self.derived.resolve()):
            raise InspectorError(f"The engine was asked to write outside the case: {name!r}.")
        path.mkdir(parents=True, exist_ok=True)
        return path
