"""List every trigger search, bundled or plugin, working or broken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspector.api import Control
from inspector.engine.jobs.trigger import found_methods
from inspector.engine.session import Session


def run(session: Session, control: Control) -> dict[str, Any]:
    """Return one row per method: id, info, origin, cause and file hash."""
    return {
        "methods": [
            {
                "id": entry.id,
                "info": asdict(entry.info) if entry.info else None,
                "origin": entry.origin,
                "sha256": entry.sha256,
                "cause": entry.cause,
            }
            for entry in found_methods()
        ]
    }
