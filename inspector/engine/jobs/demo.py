"""Make the demonstration's evidence: real digits, a planted patch, a small trained network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.engine.session import Session


def run(session: Session, control: Control, *, folder: str, seed: int = 0) -> dict[str, Any]:
    """Write ``evidence/`` and ``truth.csv`` under ``folder`` and return what was planted."""
    from inspector.drill.demo import write_demo_evidence

    truth = write_demo_evidence(Path(folder), seed=seed, control=control)
    plain = asdict(truth)
    return {key: str(value) if isinstance(value, Path) else value for key, value in plain.items()}
