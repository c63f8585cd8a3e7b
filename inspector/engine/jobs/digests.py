"""Hash evidence again, without looking at what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspector.api import Control
from inspector.engine.session import Session
from inspector.errors import InspectorError
from inspector.intake.hashing import sha256_file


def run(session: Session, control: Control, *, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each of ``items`` its digest, or why there is none.

    An item has ``role`` and ``path``, and ``split`` where only one split of a dataset is meant.

    A dataset is opened anew, whatever an earlier job of this engine has kept of it.
    """
    from inspector.intake.datasets import open_dataset

    found = []
    for item in items:
        path = Path(item["path"])
        try:
            with session.reading(path):
                if item["role"] in ("data", "reference"):
                    digest = open_dataset(path, split=item.get("split")).digest(control)
                elif item["role"] in ("model", "checkpoint"):
                    digest = model_digest(path, control)
                else:
                    digest = sha256_file(path, control).sha256
        except (InspectorError, OSError) as error:
            control.check()  # A cancel is no property of the evidence.
            found.append({**item, "sha256": "", "why": str(error)})
        else:
            found.append({**item, "sha256": digest, "why": ""})
    return {"items": found}


def model_digest(path: Path, control: Control) -> str:
    """Return the digest of a model file, or over the files that make up a model folder."""
    if not path.is_dir():
        return sha256_file(path, control).sha256
    from inspector.intake.models import read_weights

    return read_weights(path, control).sha256  # Reading says which files those are.
