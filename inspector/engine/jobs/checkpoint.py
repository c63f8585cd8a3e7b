"""Open an earlier checkpoint of the model's training run, as the model itself was opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.engine.jobs.digests import model_digest
from inspector.engine.jobs.evidence import model_of
from inspector.engine.session import Session
from inspector.errors import BadInput, RefusedFile


def run(
    session: Session, control: Control, *, checkpoint: str, data: str, spec: dict[str, Any]
) -> dict[str, Any]:
    """Return path, digest, size and contents of a checkpoint whose weights fit the network.

    Parameters
    ----------
    session, control
        The engine's.
    checkpoint, data : str
        Paths of the evidence.
    spec : dict
        How the case describes the model: the checkpoint is run as the model is.

    Raises
    ------
    BadInput
        The file cannot be read, or belongs to another network.
    """
    path = Path(checkpoint)
    with session.reading(path):
        digest = model_digest(path, control)
    try:
        suspect = model_of(session, control, checkpoint, data, {"spec": {**spec, "sha256": digest}})
    except RefusedFile:
        raise
    except BadInput as error:
        raise BadInput(
            f"The checkpoint {path.name} does not fit the network of the model.",
            error.why,
            "Give checkpoints of the training run that the model came from.",
        ) from None
    return {
        "checkpoint": {
            "role": "checkpoint",
            "path": checkpoint,
            "sha256": suspect.sha256,
            "size": suspect.size,
        },
        "contents": suspect.contents.as_dict(),
    }
