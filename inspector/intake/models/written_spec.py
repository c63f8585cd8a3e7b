"""The spec that is written for a case: all that was stated or measured about its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.intake.models.preprocess import Preprocess
from inspector.intake.models.stated import written_arguments

if TYPE_CHECKING:
    from inspector.intake.models.suspect import SuspectModel

_FITS = {
    "stretch": ("exact", "none"),
    "crop": ("shorter-side", "center"),
    "stretch-crop": ("exact", "center"),
    "none": ("none", "none"),
}


def written_spec(model: SuspectModel) -> dict[str, dict[str, Any]]:
    """Return a model's values by section and key of a model spec; None where nothing is known."""
    stated = model.stated.stated
    weights = stated.get("weights", {})
    labels = stated.get("labels", {})
    return {
        "weights": {
            "file": model.file or None,
            "sha256": model.sha256,
            "container": model.container,
            "select": model.nesting,
            "strip_prefix": weights.get("strip_prefix"),
            "ignore": weights.get("ignore"),
            "strict": weights.get("strict", True),
        },
        "architecture": {
            "family": model.family,
            "name": model.candidate.name,
            "num_classes": model.num_classes,
            "in_channels": model.in_channels,
            "args": written_arguments(model.candidate) or None,
        },
        "preprocess": _preprocess(model.preprocess)
        | {
            "normalize_inside_model": model.normalised_inside,
            "orientation": stated.get("preprocess", {}).get("orientation", "ignore"),
        },
        "labels": {"names": model.class_names or None, "map": labels.get("map")},
        "output": {"kind": model.answers.kind},
        "features": {"layer": model.layer},
    }


def _preprocess(pre: Preprocess) -> dict[str, Any]:
    resize, crop = _FITS[pre.fit]
    cropped = pre.fit in ("crop", "stretch-crop")
    return {
        "mode": pre.mode,
        "size": list(pre.size),
        "resize": resize,
        "resize_to": (pre.side or round(min(pre.size) * 8 / 7)) if cropped else None,
        "interpolation": pre.interpolation,
        "antialias": pre.antialias,
        "crop": crop,
        "scale": pre.scale,
        "mean": list(pre.mean),
        "std": list(pre.std),
    }
