"""What the model file holds beside weights, and whether a signature beside it fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inspector.case import Case
from inspector.case.checkpoints import checkpoint_rows

_CHECKPOINT = ("path", "sha256", "mean_loss", "fitted", "contents")


def model_file(case: Case) -> dict[str, Any]:
    """Return what was recorded about the file itself.

    Returns
    -------
    dict
        ``contents`` (`FileContents.as_dict` of `inspector.intake.models.contents`; None when it was
        not looked into), ``signature`` (see `inspector.intake.signature`; None when
        none lies beside the model or the case was made before they were read) and ``refused``:
        files that were given as the model and not used, with name, path, sha256, size, container,
        reason and contents. ``checkpoints``: earlier ones of the training run, oldest first, with
        name, path, sha256, mean_loss, fitted and contents.
    """
    contents = case.get("contents") or (case.get("model") or {}).get("contents")
    return {
        "contents": contents if isinstance(contents, Mapping) else None,
        "signature": case.get("signature") or None,
        "refused": list(case.kept("model refused").values()),
        "checkpoints": [
            {
                "name": Path(row["path"]).name,
                **{key: row[key] for key in _CHECKPOINT},
            }
            for row in checkpoint_rows(case)
        ],
    }
