"""List every network that can be named; plugins are code, so this runs in the engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspector.api import Control
from inspector.engine.session import Session


def run(session: Session, control: Control) -> dict[str, Any]:
    """Return one row per network: name, family, origin, and a plugin's file, hash and state."""
    from inspector.intake.models.nameable import nameable

    return {"architectures": [asdict(row) for row in nameable()]}
