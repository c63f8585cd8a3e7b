"""What the model file holds beside weights, and whether a signature beside it fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.case import Case


def model_file(case: Case) -> dict[str, Any]:
    """Return what was recorded about the file itself.

    Returns
    -------
    dict
        ``contents`` (`FileContents.as_dict` of `inspector.intake.models.contents`; None when it was
        not looked into) and ``signature`` (see `inspector.intake.signature`; None when
        none lies beside the model or the case was made before they were read).
    """
    contents = case.get("contents") or (case.get("model") or {}).get("contents")
    return {
        "contents": contents if isinstance(contents, Mapping) else None,
        "signature": case.get("signature") or None,
    }
