"""Write the weights of a suspect model as a safetensors file that holds them and nothing else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.engine.session import Session
from inspector.errors import InspectorError


def run(
    session: Session,
    control: Control,
    *,
    model: str,
    sha256: str,
    spec: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return path and SHA-256 of the written file.

    Parameters
    ----------
    session, control
        The engine's.
    model : str
        The suspect file.
    sha256 : str
        Its digest when it was examined; a file that changed since is refused.
    spec : dict, optional
        How the case describes the model: weights get the names that its network has.
    """
    import safetensors.torch

    from inspector.intake.models import read_weights
    from inspector.intake.models.suspect import recorded_weights

    with session.reading(Path(model)):
        if spec is None:
            weights = read_weights(Path(model), control)
        else:
            _, weights = recorded_weights(spec, Path(model), control)
    if weights.sha256 != sha256:
        raise InspectorError(
            f"{model} has changed since it was examined.",
            "Its SHA-256 is another one.",
            "Restore the file, or make a new case of the changed one.",
        )
    control.check()
    # Clones: tensors that share memory are refused by the format.
    tensors = {name: tensor.clone().contiguous() for name, tensor in weights.tensors.items()}
    content = safetensors.torch.save(tensors)
    path = session.folder("cleaned") / f"{sha256[:16]}.safetensors"
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InspectorError(
            "The weights could not be written into the case for the GPU's engine.",
            f"{error.strerror or error}.",
            "Free space, or scan with --device cpu.",
        ) from None
    return {"path": str(path.absolute()), "sha256": hashlib.sha256(content).hexdigest()}
