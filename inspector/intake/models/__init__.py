"""Suspect models: weights are read without running anything, recognised, rebuilt and measured.

Names are imported at first use: the app's side reads model specs, and must not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspector.intake.models.building import build_network
    from inspector.intake.models.candidates import Candidate
    from inspector.intake.models.hints import Hints, LayerHint
    from inspector.intake.models.loading import load_model
    from inspector.intake.models.preprocess import Preprocess
    from inspector.intake.models.recognition import recognise
    from inspector.intake.models.suspect import SuspectModel
    from inspector.intake.models.weights import Weights, read_weights

__all__ = [
    "Candidate",
    "Hints",
    "LayerHint",
    "Preprocess",
    "SuspectModel",
    "Weights",
    "build_network",
    "load_model",
    "read_weights",
    "recognise",
]

_HOMES = {
    "Candidate": "candidates",
    "Hints": "hints",
    "LayerHint": "hints",
    "Preprocess": "preprocess",
    "SuspectModel": "suspect",
    "Weights": "weights",
    "build_network": "building",
    "load_model": "loading",
    "read_weights": "weights",
    "recognise": "recognition",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
