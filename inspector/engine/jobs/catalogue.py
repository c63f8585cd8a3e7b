"""List every detector, bundled or plugin, working or broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspector import places
from inspector.api import Control
from inspector.engine.session import Session


def run(session: Session, control: Control) -> dict[str, Any]:
    """Return one row per detector: info, origin, state, cause, traceback and file hash."""
    from inspector.detectors import discover

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
        ]
    }
