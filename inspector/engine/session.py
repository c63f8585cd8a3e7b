"""What the engine keeps between two jobs: the opened evidence, so that it is read once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError

PATIENCE = 180.0
"""Seconds without a word that parsing may take: importing torch from a cold disk is among them."""

SLOWEST_DISK = 10 << 20
"""Bytes per second."""


class Session:
    """Folder to write into, and one loaded object per kind.

    Parameters
    ----------
    derived : Path
        The case's ``derived/`` folder, the only place that jobs write to.
    announce : callable
        Takes events that belong to no job.
    """

    def __init__(
        self,
        derived: Path,
        announce: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> None:
        self.derived = derived
        self._announce = announce
        self._kept: dict[str, tuple[str, Any]] = {}

    def keep(self, kind: str, key: dict[str, Any], make: Callable[[], Any]) -> Any:
        """Return the object of this kind, made anew when its key differs from the kept one."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        if self._kept.get(kind, ("", None))[0] != digest:
            self._kept.pop(kind, None)  # Free the old one before the new one is built.
            self._kept[kind] = (digest, make())
        return self._kept[kind][1]

    @contextmanager
    def reading(self, path: Path, seconds: float = PATIENCE) -> Iterator[None]:
        """Tell the app what is being parsed, so that it can name the file that ended this process.

        Parameters
        ----------
        path : Path
            Evidence.
        seconds : float
            How long nothing may be heard from here before the app takes it for stuck; larger files
            get more.
        """
        size = path.stat().st_size if path.is_file() else 0
        self._announce(
            {"event": "reading", "name": path.name, "seconds": seconds + size / SLOWEST_DISK}
        )
        try:
            yield
        finally:
            self._announce({"event": "read"})

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
