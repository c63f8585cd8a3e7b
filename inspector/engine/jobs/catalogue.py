"""List every detector and trigger search, bundled or plugin, working or broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspector import places
from inspector.api import Control
from inspector.engine.session import Session


def run(session: Session, control: Control) -> dict[str, Any]:
    """Return one row per detector: info, origin, state, cause, traceback and file hash.

    ``methods`` has one per trigger search: id, info, origin, hash, status and cause.
    """
    from inspector.detectors import discover
    from inspector.triggers.registry import discover_methods

    entries = discover([places.bundled_plugins(), places.user_plugins()])
    return {
        "detectors": [
            {
                "id": entry.info.id if entry.info else None,
                "info": asdict(entry.info) if entry.info else None,
                "origin": entry.origin,
                "file": str(entry.file) if entry.file else None,
                "sha256": entry.sha256,
                "status": entry.status,
                "cause": entry.cause,
                "traceback": entry.traceback,
            }
            for entry in entries
        ],
        "methods": [
            {
                "id": found.id,
                "info": asdict(found.info) if found.info else None,
                "origin": found.origin,
                "sha256": found.sha256,
                "status": "ready" if found.factory else "broken",
                "cause": found.cause,
            }
            for found in discover_methods([places.bundled_plugins(), places.user_plugins()])
        ],
    }
