"""Compare the digests of a detached signature with the model that it lies beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.engine.session import Session
from inspector.intake.signature import compare_signature


def run(
    session: Session, control: Control, *, signature: str, model: str, sha256: str
) -> dict[str, Any]:
    """Return under ``signature`` what `compare_signature` found."""
    control.check()
    path = Path(signature)
    with session.reading(path):
        return {"signature": compare_signature(path, Path(model), sha256)}
